import { bullmqSeconds } from './bullmq-peer.mjs';
import { awaitThat, median, seconds, withQueue } from './measure.mjs';

/** Seconds from the call of `omx submit` until the last of so many jobs that are nothing has ended. */
export function nothingSeconds(queue, jobs) {
  return seconds(() => {
    const id = queue.omx(['submit', '-q', '--array', `1-${jobs}`, '--', 'nothing']).stdout.trim();
    awaitThat(() => queue.redis('hget', `omx:{${id}}:sums`, 'end') !== '', `the end of ${id}`, 600_000);
  });
}

/** Workers that start nothing. */
export function startNothings(queue, count, slots = 64, failing = '') {
  for (let at = 1; at <= count; at += 1)
    queue.startWorker('nothing-worker.mjs', queue.dir, queue.url, `w${at}`, String(slots), failing);
}

/** What the queue alone carries. In the form of `questions.mjs`. */
export const nothingStarted = [
  {
    name: 'the queue alone',
    against:
      'BullMQ’s own worker with an empty processor, one job a task, as many workers; its time without the adding',
    async answer(short) {
      const rows = [];
      for (const [workers, atLeast] of [
        [1, 3],
        [4, 6],
      ]) {
        const jobs = short ? 2000 : 100_000;
        const theirJobs = short ? 1000 : 20_000;
        const ours = [];
        const theirs = [];
        let redisMs = 0;
        for (let round = 0; round < (short ? 1 : 3); round += 1) {
          withQueue((queue) => {
            startNothings(queue, workers);
            nothingSeconds(queue, short ? 200 : 5000);
            const before = queue.redisCpu();
            ours.push(jobs / nothingSeconds(queue, jobs));
            redisMs = ((queue.redisCpu() - before) / jobs) * 1e6;
          });
          await withQueue(async (queue) => {
            for (let at = 0; at < workers; at += 1) queue.startWorker('bullmq-worker.mjs', queue.socket, '100');
            await bullmqSeconds(queue, short ? 100 : 2000);
            theirs.push(theirJobs / (await bullmqSeconds(queue, theirJobs)));
          });
        }
        rows.push({
          what: `jobs that are nothing, ${workers} ${workers === 1 ? 'worker' : 'workers'}`,
          value: median(ours.map((rate, round) => rate / theirs[round])),
          unit: '× BullMQ',
          ...(short ? {} : { atLeast }),
          note: `${median(ours).toFixed(0)} against ${median(theirs).toFixed(0)} jobs a second; ${redisMs.toFixed(1)} µs of Redis a job`,
        });
      }
      return rows;
    },
  },
];
