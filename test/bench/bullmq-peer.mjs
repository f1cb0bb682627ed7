import { createRequire } from 'node:module';

import { sleep } from './measure.mjs';

/** The version that the queue is built on. */
export const bullmq = createRequire(new URL('../../packages/queue/package.json', import.meta.url))('bullmq');

/** Seconds in which BullMQ's workers, up and waiting, work off so many jobs that lie in the queue. */
export async function bullmqSeconds(queue, jobs) {
  const peer = new bullmq.Queue('peer', { connection: { path: queue.socket } });
  try {
    await peer.pause();
    for (let from = 0; from < jobs; from += 5000)
      await peer.addBulk(Array.from({ length: Math.min(5000, jobs - from) }, () => ({ name: 'job', data: {} })));
    const start = performance.now();
    await peer.resume();
    while ((await peer.getJobCountByTypes('wait', 'active', 'prioritized')) > 0) sleep(10);
    return (performance.now() - start) / 1000;
  } finally {
    await peer.obliterate({ force: true }).catch(() => undefined);
    await peer.close();
  }
}
