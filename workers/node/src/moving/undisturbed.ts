import type { Shepherd } from '@omx/launch';

import { cannotMove } from './refusals.ts';

/**
 * To be called before a job is frozen. What it gives throws where the shepherd has stopped the node's jobs since, as the lease
 * was over: in a copy nobody would let them go on.
 */
export function undisturbed(shepherd: Pick<Shepherd, 'suspended' | 'suspensions'>, key: string): () => void {
  const before = shepherd.suspensions;
  const check = (): void => {
    if (shepherd.suspended || shepherd.suspensions !== before)
      throw cannotMove(key, { refused: 'this node was out of touch with the queue', hint: 'ask again' });
  };
  check();
  return check;
}
