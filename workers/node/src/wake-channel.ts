import { globalKeys, parseWake, type Redis } from '@omx/queue';

import type { NodeParts } from './node-parts.ts';
import { parseIdle } from './sharing.ts';

/** Acts on what others say on the wake channel: see `parseWake`. */
export async function listenForWakeUps(
  subscriber: Redis,
  node: string,
  parts: NodeParts,
  onError: (error: unknown) => void,
): Promise<void> {
  const { wishes, takeLoop, followUps, cache, executor, membership } = parts;
  subscriber.on('message', (channel: string, text: string) => {
    if (channel !== globalKeys.wake) return;
    const { reason, batch, graceMs } = parseWake(text);
    const work = {
      chunks: async () => {
        await followUps.dispatch(batch);
        takeLoop.wake();
      },
      queued: async () => takeLoop.wake(),
      change: async () => {
        if ((await cache.reloadIfKnown(batch))?.batch.untouched === 'cancelled') executor.cancelReady(batch);
      },
      wish: async () => wishes.check(batch, graceMs),
      idle: async () => takeLoop.share(parseIdle(text)),
      node: async () => {
        if ((batch as string) !== node) return;
        await membership.describe();
        takeLoop.wake();
      },
    }[reason];
    work?.().catch(onError);
  });
  subscriber.on('ready', () => takeLoop.wake());
  await subscriber.subscribe(globalKeys.wake);
}
