import type { Attempts } from './attempt.ts';
import { giveAwayDrained } from './moving/give-away.ts';
import type { NodeParts } from './node-parts.ts';
import type { Timers } from './timers.ts';

const sweepMs = 2000;
/** What messages tell at once is looked for so often. */
const mendMs = 5000;
const checkpointLookMs = 1000;
const childrenLookMs = 1000;
const imageSweepMs = 180_000;

/** What a node does again and again besides taking jobs. */
export async function beginRounds(
  timers: Timers,
  parts: NodeParts,
  { attempts, node }: { readonly attempts: Attempts; readonly node: string },
): Promise<void> {
  const { followUps, rescuer, moving } = parts;
  timers.every(sweepMs, async () => sweep(parts, attempts));
  timers.every(mendMs, async () => followUps.sweep());
  // By itself, as it measures time by its own looks.
  timers.repeat(sweepMs, async () => rescuer.rescueLostNodes());
  timers.repeat(sweepMs, async () => moving.balancer.look());
  timers.every(sweepMs, async () => giveAwayDrained(parts, node));
  timers.every(childrenLookMs, async () => moving.children.mover.look());
  timers.every(childrenLookMs, async () => moving.children.guests.beat());
  timers.every(checkpointLookMs, async () => moving.checkpointer.makeDue());
  timers.every(imageSweepMs, async () => sweepImages(parts));
  await followUps.sweep();
  await sweepImages(parts);
}

async function sweep({ wishes, frozen, executor, cache }: NodeParts, attempts: Attempts): Promise<void> {
  await wishes.checkAll();
  frozen.thawWaiting();
  executor.enforceMemory();
  const inUse = new Set([...attempts.all()].map((attempt) => attempt.batch));
  executor.forgetAllBut(await cache.forgetIdle(inUse));
}

async function sweepImages({ images }: NodeParts): Promise<void> {
  await images.keeper.sweep();
  await images.shared?.keeper.sweep();
}
