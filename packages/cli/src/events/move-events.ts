import { isMoved, isNotMoved, type MoveEntry } from '@omx/queue';

import { secondsOfMs } from '../render/times.ts';
import type { JobEvent } from './event.ts';

/** An entry of a batch's log of moves as an event. @param id of the job: `b7.3` */
export function moveEvent(id: string, entry: MoveEntry): JobEvent {
  const { at, attempt } = entry;
  if (isNotMoved(entry)) {
    const { from, to, why, failed } = entry;
    return { at, type: 'job-not-moved', id, attempt, from, to, why, reason: failed };
  }
  if (isMoved(entry)) {
    const { from, to, why, pauseMs, bytes } = entry;
    return { at, type: 'job-moved', id, attempt, from, to, why, pause: secondsOfMs(pauseMs), bytes };
  }
  const { node } = entry;
  if (entry.did !== 'checkpointed') return { at, type: `job-${entry.did}`, id, attempt, node };
  const { keeper, pauseMs, bytes } = entry;
  return { at, type: 'job-checkpointed', id, attempt, node, keeper, pause: secondsOfMs(pauseMs), bytes };
}
