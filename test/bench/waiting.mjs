import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { BatchStore, connect, JobStore } from '@omx/queue';

import { bin, childrenOf, cpuOf, median, missingProgram, quantile, sleep, withHome } from './measure.mjs';

/** How long things take that somebody waits for, and what waiting costs. In the form of `questions.mjs`. */
export const waiting = [
  {
    name: 'from submit to start',
    against: 'a round trip to Redis; from the call that stores the batch to the moment its process was started',
    answer(short) {
      return withHome(async (home) => {
        const id = home.omx(['run', '--', '/bin/true']) && 'b1';
        const redis = await connect({ socket: home.socket });
        try {
          const [batches, jobs] = [new BatchStore(redis), new JobStore(new BatchStore(redis))];
          const { spec } = await batches.load(id);
          const trips = [];
          const starts = [];
          for (let round = 0; round < (short ? 3 : 40); round += 1) {
            trips.push(await timed(async () => redis.ping()));
            const at = Date.now();
            const untouched = 'queued';
            const { id: made } = await batches.submit({ spec, total: 1, order: [{ first: 0, last: 0 }], untouched });
            const batch = await batches.load(made);
            for (;;) {
              const [{ job }] = await jobs.read(batch, [0]);
              if (job.status === 'ended') {
                starts.push(job.startedAt - at);
                break;
              }
              sleep(20);
            }
            sleep(short ? 0 : 100);
          }
          return [
            {
              what: 'submit to the first process, warm',
              value: median(starts) - median(trips),
              unit: 'ms more',
              reach: short ? undefined : 25,
              note: `${median(starts).toFixed(1)} ms (p95 ${quantile(starts, 0.95).toFixed(0)} ms) against ${median(trips).toFixed(2)} ms`,
            },
          ];
        } finally {
          redis.disconnect();
        }
      });
    },
  },
  {
    name: 'output while it is written',
    against: 'nothing: a job at another node writes the time, tail -f is read here',
    missing: () => missingProgram('perl'),
    answer(short) {
      return withHome(async (home) => {
        home.omx(['up', '--workers', '2', '--slots', '1']);
        // The first node is busy, so the job is on the second.
        const [, second] = home.nodeNames();
        const lines = short ? 10 : 400;
        const enough = join(home.dir, 'enough');
        const program =
          'use Time::HiRes qw(time sleep); $| = 1; until (-e $ARGV[0]) { printf "%.6f\\n", time; sleep(0.03 + rand(0.05)) }';
        home.omx(['submit', '-q', '--node', second, '--', 'perl', '-e', program, enough]);
        const late = await new Promise((resolve, reject) => {
          const delays = [];
          const tail = spawn(process.execPath, [bin, 'tail', '-f', '-n', '0', 'last'], { env: home.env });
          tail.stdout.on('data', (data) => {
            const now = Date.now();
            for (const line of data.toString().trim().split('\n')) delays.push(now - Number(line) * 1000);
            if (delays.length >= lines) writeFileSync(enough, '');
          });
          tail.on('error', reject);
          tail.on('close', () => resolve(delays));
        });
        return [
          {
            what: `tail -f, write to screen, ${late.length} lines`,
            value: quantile(late, 0.99),
            unit: 'ms p99',
            reach: short ? undefined : 150,
            note: `median ${median(late).toFixed(0)} ms, longest ${Math.max(...late).toFixed(0)} ms`,
          },
        ];
      });
    },
  },
  {
    name: 'an idle worker',
    against:
      'nothing: after two minutes without work, worker and shepherd together; commands as Redis’s MONITOR shows them',
    answer(short) {
      return withHome((home) => {
        home.omx(['run', '-q', '--', '/bin/true']);
        const worker = home.workerPid();
        const pids = [worker, ...childrenOf(worker)];
        sleep(short ? 0 : 125_000);
        const forMs = short ? 2000 : 60_000;
        const cpu = () => pids.reduce((sum, pid) => sum + cpuOf(pid), 0);
        const before = cpu();
        const lines = monitored(home.socket, forMs);
        return [
          {
            what: 'CPU of an idle worker',
            value: ((cpu() - before) / (forMs / 1000)) * 100,
            unit: '% of a core',
            reach: short ? undefined : 0.3,
          },
          {
            what: 'Redis commands of an idle worker',
            value: lines / (forMs / 1000),
            unit: 'a second',
            reach: short ? undefined : 5,
          },
        ];
      });
    },
  },
];

async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Commands of clients, not those that scripts call. */
function monitored(socket, forMs) {
  const watch = ['redis-cli', '-s', socket, 'monitor'];
  const { stdout } = spawnSync('timeout', [String(forMs / 1000), ...watch], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  return stdout.split('\n').filter((line) => /^\d/.test(line) && !/^\S+ \[\d+ lua\]/.test(line)).length;
}
