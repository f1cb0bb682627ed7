import { errorOf, isOmxError, OmxError } from '@omx/core';
import type { Refusal } from '@omx/queue';

/** A job stays where it is. @param what the job's or attempt's name, or where it was to go */
export function cannotMove(what: string, { refused, hint }: Refusal): OmxError {
  return new OmxError(`cannot move ${what}: ${refused}`, {
    code: 'CANNOT_MOVE',
    ...(hint === undefined ? {} : { hint }),
  });
}

const doing = { move: 'moved', image: 'copied into an image', freeze: 'frozen', thaw: 'thawed' } as const;

/** What is being done with a job, so that nothing else can be. */
export function busyReason(inHand: keyof typeof doing): string {
  return `it is being ${doing[inHand]} just now`;
}

/** The same as an answer to whoever asked. */
export function refusalOf(error: unknown): Refusal {
  if (!isOmxError(error)) return { refused: errorOf(error).message };
  return { refused: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}
