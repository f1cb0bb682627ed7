import { join } from 'node:path';

import { bullmqSeconds } from './bullmq-peer.mjs';
import { missingHyperQueue, withHyperQueue } from './hyperqueue-peer.mjs';
import {
  childrenOf,
  cpuOf,
  median,
  missingProgram,
  pair,
  run,
  seconds,
  withFolder,
  withHome,
  withQueue,
} from './measure.mjs';

const jobsOf = (short) => (short ? 100 : 10_000);
const rounds = (short) => (short ? 1 : 3);

/** A warm queue and a batch of so many /bin/true on it. */
function withTrue(short, work) {
  return withHome((home) => {
    home.omx(['up', '--slots', '2']);
    const batch = () => home.omx(['run', '-q', '--array', `1-${jobsOf(short)}`, '--', '/bin/true']);
    home.omx(['run', '-q', '--array', '1-200', '--', '/bin/true']);
    return work(batch, home);
  });
}

function row(short, { ours, theirs, ratio }, peer, limits) {
  return {
    what: `${jobsOf(short)} × /bin/true`,
    value: ratio,
    unit: peer,
    ...(short ? {} : limits),
    note: `${ours.toFixed(2)} s against ${theirs.toFixed(2)} s`,
  };
}

/** What a short job costs, in the form of `questions.mjs`. On our side its output is captured, and usage and outcome are on record. */
export const shortJobs = [
  {
    name: 'short jobs and xargs',
    against: 'xargs -P2 -n1 of the same /bin/true',
    missing: () => missingProgram('xargs'),
    answer: (short) =>
      withTrue(short, (batch) => {
        const theirs = () => run('sh', ['-c', `seq ${jobsOf(short)} | xargs -P2 -n1 /bin/true`]);
        return [row(short, pair(batch, theirs, rounds(short)), '× xargs', { reach: 1.3 })];
      }),
  },
  {
    name: 'short jobs and parallel',
    against: 'GNU parallel -j2 --joblog of the same /bin/true',
    missing: () => missingProgram('parallel'),
    answer: (short) =>
      withTrue(short, (batch) =>
        withFolder((folder) => {
          const command = `seq ${jobsOf(short)} | parallel --will-cite -j2 --joblog "$0" /bin/true`;
          const theirs = () =>
            run('sh', ['-c', command, join(folder, 'log')], { env: { ...process.env, HOME: folder } });
          const { ours, theirs: their, ratio } = pair(batch, theirs, short ? 1 : 1);
          return [row(short, { ours, theirs: their, ratio: 1 / ratio }, '× faster than parallel', { atLeast: 4 })];
        }),
      ),
  },
  {
    name: 'short jobs and HyperQueue',
    against: 'HyperQueue with one server and one worker of two processors',
    missing: missingHyperQueue,
    answer: (short) =>
      withTrue(short, (batch) =>
        withHyperQueue((theirSeconds) => {
          const both = Array.from({ length: rounds(short) }, () => [seconds(batch), theirSeconds(jobsOf(short))]);
          const [ours, theirs] = [0, 1].map((side) => median(both.map((times) => times[side])));
          const ratio = median(both.map(([our, their]) => our / their));
          return [row(short, { ours, theirs, ratio }, '× HyperQueue', { reach: 1 })];
        }),
      ),
  },
  {
    name: 'short jobs and BullMQ',
    against:
      'one BullMQ job a task whose processor is child_process.spawn of the same, two at a time; its time without the adding',
    answer: (short) =>
      withQueue((queue) => {
        queue.startWorkers('bullmq-worker.mjs', [[queue.socket, '2', '/bin/true']]);
        return withTrue(short, async (batch) => {
          const ours = [];
          const theirs = [];
          for (let round = 0; round < rounds(short); round += 1) {
            ours.push(seconds(batch));
            theirs.push(await bullmqSeconds(queue, jobsOf(short)));
          }
          const ratio = median(theirs.map((time, at) => time / ours[at]));
          const times = { ours: median(ours), theirs: median(theirs), ratio };
          return [row(short, times, '× faster than BullMQ', { atLeast: 2.5 })];
        });
      }),
  },
  {
    name: 'CPU of a short job',
    against: 'the CPU of one shell that forks, runs and waits for the same /bin/true, its children’s included',
    answer: (short) =>
      withTrue(short, (batch, home) => {
        const jobs = jobsOf(short);
        const worker = home.workerPid();
        const [shepherd] = childrenOf(worker);
        const parts = { worker: () => cpuOf(worker), shepherd: () => cpuOf(shepherd), Redis: () => home.redisCpu() };
        const before = Object.entries(parts).map(([part, read]) => [part, read, read()]);
        batch();
        const used = before.map(([part, read, was]) => [part, ((read() - was) / jobs) * 1e6]);
        const script = `i=0; while [ $i -lt ${jobs} ]; do /bin/true; i=$((i+1)); done; times`;
        const times = run('sh', ['-c', script]).stdout;
        const loop = [...times.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
          (sum, [, min, sec]) => sum + 60 * min + Number(sec),
          0,
        );
        const theirs = (loop / jobs) * 1e6;
        return [
          {
            what: `worker, shepherd and Redis for a job of ${jobs}`,
            value: used.reduce((sum, [, each]) => sum + each, 0) / theirs,
            unit: '× fork, exec, wait',
            ...(short ? {} : { reach: 0.6 }),
            note: `${used.map(([part, each]) => `${part} ${each.toFixed(0)} µs`).join(', ')} against ${theirs.toFixed(0)} µs`,
          },
        ];
      }),
  },
];
