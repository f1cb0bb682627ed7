import { errorOf, isOmxError } from '@omx/core';

export type Verdict = 'ok' | 'warn' | 'fail';

/** One thing `omx doctor` has looked at. */
export interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  /** What was found. */
  readonly reason: string;
  /** What to do about it; null where there is nothing to mend. */
  readonly mend: string | null;
}

export function ok(name: string, reason: string): Check {
  return { name, verdict: 'ok', reason, mend: null };
}

export function warn(name: string, reason: string, mend: string | null): Check {
  return { name, verdict: 'warn', reason, mend };
}

export function fail(name: string, reason: string, mend: string | null): Check {
  return { name, verdict: 'fail', reason, mend };
}

/** A check that could not be made, or one that is made by trying: what went wrong is the reason. */
export function failedBy(name: string, thrown: unknown): Check {
  return fail(name, errorOf(thrown).message, isOmxError(thrown) ? (thrown.hint ?? null) : null);
}
