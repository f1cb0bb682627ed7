import { isMoved, isNotMoved, type MoveEntry, type StoredImage } from '@omx/queue';

import { imageText, stillText } from '../acting/wording.ts';
import { localTime } from '../render/times.ts';

/** Each move of a job with its reason, each that failed with that, and what else was done with images of it; oldest first. */
export function moveReasons(entries: readonly MoveEntry[], now: number): string[] {
  return entries.map((entry) => `${localTime(entry.at, now)} attempt ${entry.attempt} ${moveText(entry)}`);
}

/** `moved from n1 to n2: stood still for 0.12 s, 5.2 MB (omx migrate)`. */
function moveText(entry: MoveEntry): string {
  if (isNotMoved(entry)) {
    const { from, to, why, failed } = entry;
    return `stayed on ${from}${to === '' ? '' : `, not moved to ${to}`} (${why}): ${failed}`;
  }
  if (isMoved(entry)) {
    const { from, to, pauseMs, bytes, why } = entry;
    return `moved from ${from} to ${to} (${why}): stood still for ${stillText(pauseMs)}, ${imageText(bytes)}`;
  }
  if (entry.did !== 'checkpointed') return `${images[entry.did]} on ${entry.node}`;
  const { keeper, pauseMs, bytes } = entry;
  return `left an image of ${imageText(bytes)} on ${keeper} (omx checkpoint): stood still for ${stillText(pauseMs)}`;
}

const images = {
  frozen: 'was frozen (omx pause --freeze)',
  thawed: 'went on from its image',
  resumed: 'went on from the image of an attempt that was lost,',
} as const;

/** From where a running job would go on should its node die. */
export function imageReason({ node, bytes, at }: StoredImage, now: number): string {
  return `its newest image is of ${localTime(at, now)}, ${imageText(bytes)} on ${node}: it goes on from there should its node die`;
}
