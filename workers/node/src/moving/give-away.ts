import type { Attempts } from '../attempt.ts';
import type { NodeParts } from '../node-parts.ts';
import type { WorkerOptions } from '../worker-options.ts';

type Parts = Pick<NodeParts, 'executor' | 'membership' | 'moving'>;

/** Who drains a node wants its jobs elsewhere; call it again and again. */
export async function giveAwayDrained({ membership, moving }: Parts, node: string): Promise<void> {
  const { drained } = membership;
  const why = `node ${node} is drained${drained?.reason ? `: ${drained.reason}` : ''}`;
  // Children of jobs elsewhere go on at home, from where they had left.
  if (drained?.requeue === true) await moving.children.guests.sendHome();
  await moving.evacuation.look(drained === undefined ? undefined : { why, requeue: drained.requeue === true });
}

/** Of a node that is told to leave, what can go on elsewhere does so before the rest is ended. */
export async function giveAwayAndLeave(
  { executor, membership, moving }: Parts,
  attempts: Attempts,
  { name, graceMs, log }: Pick<WorkerOptions, 'name' | 'graceMs' | 'log'>,
): Promise<void> {
  executor.giveBack(executor.ready);
  const isConcerned = [...attempts.all()].some(({ launcher, phase }) => launcher === 'criu' && phase === 'running');
  if (graceMs === 0 || !isConcerned) return;
  // Not waited for: the queue may be away.
  membership
    .prepareToLeave()
    .catch((error: unknown) => log.error({ err: error }, 'the others could not be told that this node leaves'));
  await moving.evacuation.leave(graceMs, `node ${name} leaves`);
}
