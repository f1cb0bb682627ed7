import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { picture } from './chart.mjs';
import { median, root, seconds, withHome, withQueue } from './measure.mjs';
import { nothingSeconds, startNothings } from './nothing-started.mjs';

/** How each cost grows. In the form of `questions.mjs`; the full form draws `docs/growth.svg` as well. */
export const growth = [
  {
    name: 'growth',
    against: 'itself at other sizes: straight is what twice as much takes twice as long',
    answer(short) {
      const jobs = byJobs(short ? [100, 500] : [1000, 10_000, 100_000, 1_000_000], short);
      const nodes = byNodes(short ? [1, 2] : [1, 2, 4, 8, 16, 32], short ? 200 : 50_000);
      const output = byOutput(short ? [1, 100_000] : [1, 1000, 10_000, 64_000, 100_000, 1_000_000], short ? 10 : 200);
      if (!short) writeFileSync(join(root, 'docs/growth.svg'), picture([jobs.run, jobs.status, nodes.cost, output]));
      return [
        ...rowsOf(jobs.run, 's', 'jobs that are nothing'),
        ...rowsOf(jobs.status, 'ms', 'jobs: omx status'),
        ...rowsOf(nodes.cost, 'µs of Redis a job', 'nodes'),
        ...rowsOf(nodes.rate, 'jobs a second', 'nodes on this one machine'),
        ...rowsOf(output, 'ms a job', 'bytes of output'),
      ];
    },
  },
];

function rowsOf({ points }, unit, what) {
  return points.map(([x, y]) => ({ what: `${x} ${what}`, value: y, unit }));
}

function byJobs(sizes, short) {
  return withQueue((queue) => {
    startNothings(queue, 1);
    nothingSeconds(queue, short ? 200 : 20_000);
    const run = [];
    const status = [];
    for (const jobs of sizes) {
      run.push([jobs, nothingSeconds(queue, jobs)]);
      const times = Array.from({ length: 3 }, () => seconds(() => queue.omx(['status', 'last'])) * 1000);
      status.push([jobs, median(times)]);
    }
    return {
      run: { title: 'jobs that are nothing, one worker', xTitle: 'jobs', yTitle: 's', points: run },
      status: { title: 'omx status of a finished batch', xTitle: 'jobs', yTitle: 'ms', points: status },
    };
  });
}

/** Many light workers on one machine: how many jobs they do is up to its processors, what a job costs Redis is not. */
function byNodes(counts, jobs) {
  const cost = [];
  const rate = [];
  for (const count of counts)
    withQueue((queue) => {
      startNothings(queue, count, 4);
      nothingSeconds(queue, jobs / 10);
      const before = queue.redisCpu();
      rate.push([count, jobs / nothingSeconds(queue, jobs)]);
      cost.push([count, ((queue.redisCpu() - before) / jobs) * 1e6]);
    });
  return {
    cost: { title: 'nodes on one machine', xTitle: 'nodes', yTitle: 'µs of Redis a job', points: cost },
    rate: { points: rate },
  };
}

function byOutput(sizes, jobs) {
  return withHome((home) => {
    home.omx(['up', '--slots', '2']);
    const batch = (bytes) =>
      home.omx(['run', '-q', '--array', `1-${jobs}`, '--', 'head', '-c', String(bytes), '/dev/zero']);
    batch(1);
    const points = sizes.map((bytes) => [
      bytes,
      (median(Array.from({ length: 3 }, () => seconds(() => batch(bytes)))) / jobs) * 1000,
    ]);
    return { title: 'output of a job', xTitle: 'bytes', yTitle: 'ms a job', points };
  });
}
