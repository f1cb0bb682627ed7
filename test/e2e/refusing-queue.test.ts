import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from '@omx/queue';
import { expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const latch = 'echo out {}; echo $$ >>pids; until [ -e go ]; do :; done; exit {}';

test('what ends while the queue refuses to write is reported when it takes it again', async () => {
  await home.omx(['run', '-q', 'true']);
  const redis = await connect({ socket: `${home.dir}/redis.sock` });
  const submitted = await home.omx(['submit', '-q', '--array', '1-4%2', '--', 'sh', '-c', latch]);
  const id = submitted.stdout.trim();
  const pids = (): string[] => readFileSync(`${home.work}/pids`, 'utf8').trim().split('\n');
  await until(() => pids(), { is: (found) => found.length === 2 });
  await until(async () => (await home.omx(['status', id, '--json'])).json().counts.running === 2);
  // It answers as one whose memory, or disk, is full.
  await redis.config('SET', 'maxmemory', '1');
  expect((await home.omx(['submit', 'true'])).stderr).toMatch(/^error: the queue .*refuses/);
  writeFileSync(`${home.work}/go`, '');
  await until(() => pids().every((pid) => !existsSync(`/proc/${pid}`)));
  expect((await home.omx(['status', id, '--json'])).json().counts).toMatchObject({ running: 2, failed: 0 });
  await redis.config('SET', 'maxmemory', '0');
  redis.disconnect();
  expect((await home.omx(['wait', id])).code).toBe(1);
  const jobs = (await home.omx(['jobs', id, '--json'])).jsonLines();
  expect(jobs.map((job) => [job.exitCode, job.attempt])).toEqual([1, 2, 3, 4].map((code) => [code, 1]));
  expect((await home.omx(['logs', id])).stdout).toBe('out 1\nout 2\nout 3\nout 4\n');
});
