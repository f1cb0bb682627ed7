import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { batchSeconds, median, ms, pair, run, seconds, withFolder, withHome, withQueue } from './measure.mjs';
import { nothingSeconds, startNothings } from './nothing-started.mjs';

/** Batches of a million. In the form of `questions.mjs`. */
export const manyJobs = [
  {
    name: 'submit of many',
    against: 'a submit of ten; reading and gzip of the same file',
    answer(short) {
      const jobs = short ? 20_000 : 1_000_000;
      return withQueue((queue) => {
        const submit = (...args) => queue.omx(['submit', '-q', ...args]);
        submit('--array', '1-10', '--', 'true');
        const before = queue.redisBytes();
        submit('--array', `1-${jobs}`, '--', 'true');
        const bytes = queue.redisBytes() - before;
        const array = pair(
          () => submit('--array', `1-${jobs}`, '--', 'true'),
          () => submit('--array', '1-10', '--', 'true'),
          short ? 1 : 9,
        );
        return withFolder((folder) => {
          const file = join(folder, 'lines');
          writeLines(file, jobs);
          const lines = pair(
            () => submit('--each', file, '--', 'true', '{}'),
            () => run('sh', ['-c', 'gzip < "$0" > "$0.gz"', file]),
            short ? 1 : 5,
          );
          return [
            {
              what: `submit of --array 1-${jobs}`,
              value: array.ratio,
              unit: '× --array 1-10',
              reach: short ? undefined : 2,
              note: `${ms(array.ours)} against ${ms(array.theirs)}`,
            },
            { what: 'Redis for it, waiting', value: bytes / 1e6, unit: 'MB', reach: 5 },
            {
              what: `submit of ${jobs} lines`,
              value: lines.ratio,
              unit: '× gzip < file',
              reach: short ? undefined : 3,
              note: `${lines.ours.toFixed(2)} s against ${lines.theirs.toFixed(2)} s`,
            },
          ];
        });
      });
    },
  },
  {
    name: 'a finished million',
    against: '`omx status` of a batch of ten; jobs that are nothing, ten of them failed',
    answer(short) {
      const jobs = short ? 5000 : 1_000_000;
      return withQueue((queue) => {
        const failing = Array.from({ length: 10 }, (_, at) => 1 + Math.floor((at * jobs) / 10));
        startNothings(queue, 2, 64, failing.join(','));
        nothingSeconds(queue, 10);
        const before = queue.redisBytes();
        nothingSeconds(queue, jobs);
        const packs = packBytes(queue, 'b2');
        const bytes = (queue.redisBytes() - before - packs) / jobs;
        const rounds = short ? 1 : 9;
        const compare = (...args) =>
          pair(
            () => queue.omx([...args, 'b2']),
            () => queue.omx(['status', 'b1']),
            rounds,
          );
        const rows = [['status'], ['jobs', '--failed'], ['why']].map((args) => {
          const { ours, theirs, ratio } = compare(...args);
          return {
            what: `omx ${args.join(' ')} of ${jobs}`,
            value: ratio,
            unit: '× status of 10',
            reach: short ? undefined : 2,
            note: `${ms(ours)} against ${ms(theirs)}`,
          };
        });
        const { failed } = queue.json(['status', 'b2', '--json']).counts;
        queue.stopWorkers();
        const known = Number(queue.redis('hlen', 'omx:{b2}:history'));
        const took = seconds(() => queue.omx(['rerun', 'b2']));
        const touched = Number(queue.redis('hlen', 'omx:{b2}:history')) - known;
        return [
          {
            what: `Redis for ${jobs} finished, output aside`,
            value: bytes,
            unit: 'bytes a job',
            reach: short ? undefined : 60,
          },
          ...rows,
          {
            what: `omx rerun of the ${failed} failed`,
            value: touched,
            unit: 'jobs touched',
            reach: failed,
            note: ms(took),
          },
        ];
      });
    },
  },
  {
    name: 'many slots',
    against:
      'the ideal: every slot busy from the moment the batch is there to its end, with nothing but the jobs’ own 100 ms',
    answer(short) {
      const jobs = short ? 200 : 10_000;
      const slots = short ? 5 : 25;
      return withHome((home) => {
        home.omx(['up', '--workers', '4', '--slots', String(slots)]);
        const batch = () => batchSeconds(home, ['--array', `1-${jobs}`, '--', 'sleep', '0.1']);
        // Four workers that have just begun need some seconds of both processors to get quick.
        const cold = batch();
        const ideal = (0.1 * jobs) / (4 * slots);
        const took = median(Array.from({ length: short ? 1 : 3 }, batch));
        return [
          {
            what: `${jobs} jobs of 100 ms on ${4 * slots} slots of 4 workers`,
            value: ideal / took,
            unit: '× ideal',
            ...(short ? {} : { atLeast: 0.93 }),
            note: `${took.toFixed(2)} s against ${ideal.toFixed(2)} s; ${cold.toFixed(2)} s with workers that have just begun`,
          },
        ];
      });
    },
  },
];

/** Lines as a search writes them: names that have much in common and something of their own. */
function writeLines(path, count) {
  const file = openSync(path, 'w');
  for (let from = 0; from < count; from += 10_000) {
    const lines = Array.from(
      { length: Math.min(10_000, count - from) },
      (_, at) => `run${(from + at) % 977}/seed-${((from + at) * 2654435761) % 2 ** 32}.dat\n`,
    );
    writeSync(file, lines.join(''));
  }
  closeSync(file);
}

/** What the outputs of a batch take: its list of packs. */
function packBytes(queue, id) {
  return Number(queue.redis('memory', 'usage', `omx:{${id}}:packs`, 'samples', '0') || 0);
}
