import { bullmqSeconds } from './bullmq-peer.mjs';
import { batchSeconds, median, withQueue } from './measure.mjs';

/** Seconds that so many jobs take which are nothing. */
export function nothingSeconds(queue, jobs) {
  return batchSeconds(queue, ['--array', `1-${jobs}`, '--', 'nothing']);
}

/** Workers that start nothing. */
export function startNothings(queue, count, slots = 64, failing = '') {
  const each = Array.from({ length: count }, (_, at) => [queue.dir, queue.url, `w${at + 1}`, String(slots), failing]);
  queue.startWorkers('nothing-worker.mjs', each);
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
        // Both warm: each worker's first ten thousand jobs or so take several times as long.
        const jobs = short ? 2000 : workers === 1 ? 200_000 : 400_000;
        const theirJobs = short ? 1000 : 20_000;
        const ours = [];
        const theirs = [];
        let redisMs = 0;
        for (let round = 0; round < (short ? 1 : 3); round += 1) {
          withQueue((queue) => {
            startNothings(queue, workers);
            nothingSeconds(queue, short ? 200 : jobs / 2);
            const before = queue.redisCpu();
            ours.push(jobs / nothingSeconds(queue, jobs));
            redisMs = ((queue.redisCpu() - before) / jobs) * 1e6;
          });
          await withQueue(async (queue) => {
            const each = Array.from({ length: workers }, () => [queue.socket, '100']);
            queue.startWorkers('bullmq-worker.mjs', each);
            await bullmqSeconds(queue, short ? 100 : theirJobs / 2);
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
  {
    name: 'where one Redis ends',
    against: 'one server with all jobs; of two servers, which share no key, each has half of them',
    answer(short) {
      const jobs = short ? 1000 : 100_000;
      const microseconds = (queues) => {
        for (const queue of queues) {
          startNothings(queue, 1);
          nothingSeconds(queue, short ? 100 : 5000);
        }
        const before = queues.map((queue) => queue.redisCpu());
        for (const queue of queues) nothingSeconds(queue, jobs / queues.length);
        const used = queues.map((queue, at) => queue.redisCpu() - before[at]);
        return {
          busiest: (Math.max(...used) / jobs) * 1e6,
          all: (used.reduce((sum, each) => sum + each, 0) / jobs) * 1e6,
        };
      };
      const one = withQueue((queue) => microseconds([queue]));
      const two = withQueue((first) => withQueue((second) => microseconds([first, second])));
      return [
        {
          what: 'one core of Redis carries',
          value: 1e6 / one.busiest,
          unit: 'jobs a second',
          note: `${one.all.toFixed(1)} µs a job`,
        },
        {
          what: 'two servers, the busier one',
          value: two.busiest / one.busiest,
          unit: '× the CPU of one',
          ...(short ? {} : { reach: 0.6 }),
          note: `${two.all.toFixed(1)} µs a job in both together`,
        },
      ];
    },
  },
];
