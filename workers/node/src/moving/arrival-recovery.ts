import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { isReleased, readStatus, type Shepherd } from '@omx/launch';
import type { JobSnapshot } from '@omx/queue';

import { jobFolder } from '../job-folders.ts';
import type { ArrivalOptions } from './arrival-options.ts';
import { type Arrival, mayStillCome, namesUs, readArrival, removeArrived } from './arrival-state.ts';
import { attemptOnTheMove } from './on-the-move.ts';

/** What an earlier worker had received as a whole, and whose job may go on from it. */
interface OpenArrival extends Omit<Arrival, 'attempt' | 'copy'> {
  readonly key: string;
  readonly snapshot: JobSnapshot;
  /** Of its copy, which waits, or is dying as nobody is at its gate any more. */
  readonly pid?: number;
}

/** @param folder of all that arrives; what else is in it is removed */
export async function openArrivals(
  folder: string,
  { running }: Shepherd['hello'],
  { cache, jobs, nodeDir }: Pick<ArrivalOptions, 'cache' | 'jobs' | 'nodeDir'>,
): Promise<OpenArrival[]> {
  const open: OpenArrival[] = [];
  for (const key of existsSync(folder) ? readdirSync(folder) : []) {
    const dir = join(folder, key);
    const known = readArrival(dir);
    const runtime = known === undefined ? undefined : await cache.get(known.batch);
    const [snapshot] =
      known === undefined || runtime === undefined ? [] : await jobs.read(runtime.batch, [known.ordinal]);
    if (known === undefined || runtime === undefined || snapshot === undefined) {
      await removeArrived(dir);
      continue;
    }
    const { from, ...name } = known;
    const begun = { name, from, runtime, dir, isComplete: true, failures: 0, busy: Promise.resolve() };
    const pid = running.find((each) => each.key === key)?.pid;
    const isOver = !namesUs(begun, snapshot) && !mayStillCome(begun, snapshot);
    // Let go of, it runs, or has ended by itself: the attempt is adopted as any other.
    const wasLetGo = async (): Promise<boolean> =>
      pid === undefined
        ? readStatus(jobFolder(nodeDir, attemptOnTheMove(runtime, snapshot, 'arriving'))) !== undefined
        : isReleased(pid);
    if (isOver || (await wasLetGo())) await removeArrived(dir);
    else open.push({ ...begun, key, snapshot, ...(pid === undefined ? {} : { pid }) });
  }
  return open;
}
