import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addUsage, type Usage } from '@omx/core';

/** How the command ended, as the job root wrote it down; it is there even if every worker and shepherd was dead. */
export interface CapsuleStatus {
  /** Exactly one of the two is set. */
  readonly exitCode?: number;
  readonly signal?: number;
  /** Set where the command could not be started: the errno's number. */
  readonly errno?: number;
  /** Of the whole tree since the start or the last thaw. */
  readonly usage: Usage;
  /** Milliseconds since the epoch. */
  readonly endedAt: number;
}

/**
 * Undefined while the job runs, and for ever where the job root did not live to its end: killed, or never made. A capsule
 * that ends without a status has failed by itself.
 */
export function readStatus(folder: string): CapsuleStatus | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, '.capsule', 'status'), 'utf8');
  } catch {
    return undefined;
  }
  const raw = JSON.parse(text) as Record<
    'exit' | 'signal' | 'errno' | 'userUs' | 'sysUs' | 'maxRssKib' | 'endedAt',
    number
  >;
  return {
    ...(raw.signal > 0 ? { signal: raw.signal } : { exitCode: raw.exit }),
    ...(raw.errno > 0 ? { errno: raw.errno } : {}),
    usage: { userUs: raw.userUs, sysUs: raw.sysUs, maxRssKib: raw.maxRssKib },
    endedAt: raw.endedAt,
  };
}

/**
 * Usage over a job's whole life.
 * @param earlier what thawing gave (`Thawed.earlier`): everything counted before, less what criu itself used in the job's
 * name to make the copy, which may be more
 * @param stay what was used since
 */
export function wholeUsage(earlier: Usage, stay: Usage): Usage {
  const sum = addUsage(earlier, stay);
  return { ...sum, userUs: Math.max(0, sum.userUs), sysUs: Math.max(0, sum.sysUs) };
}
