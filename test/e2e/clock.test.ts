import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';
import { redisOnPort } from '../kit/redis.ts';
import { useShiftedClock } from '../kit/shifted-clock.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const shifted = useShiftedClock();
const hour = 3_600_000;

test.each([
  ['behind', hour],
  ['ahead of', -hour],
])('a node an hour %s the queue, and a submitter two, are noticed and do no harm', async (word, serverShift) => {
  const server = await redisOnPort([], shifted(serverShift));
  const env = { OMX_REDIS_URL: `redis://127.0.0.1:${server.port}` };
  // The submitter is off to the other side.
  const elsewhere = { ...env, ...shifted(-serverShift) };
  const worker = home.omxSpawn(['worker', '--name', 'n', '--slots', '2'], { env });
  try {
    await until(async () => (await home.omx(['nodes', '--json'], { env })).jsonLines().length === 1, {
      timeoutMs: 30_000,
      failIf: () => worker.stderr(),
    });
    const log = join(home.work, 'uptimes');
    // Fails at first and sleeps a little; /proc/uptime is nobody's clock.
    const script = `cut -d' ' -f1 /proc/uptime >> ${log}; sleep 0.3; [ "$OMX_ATTEMPT" = 2 ]`;
    const options = ['--retries', '1', '--backoff', '1s..1s', '--shell'];
    const submitted = await home.omx(['submit', '--wait', ...options, script], { env: elsewhere });
    expect(submitted.code).toBe(0);

    const [first = 0, second = 0] = readFileSync(log, 'utf8').trim().split('\n').map(Number);
    // Half of the backoff at least, after the end of the first attempt.
    expect(second - first).toBeGreaterThanOrEqual(0.3 + 0.5 - 0.02);
    expect(second - first).toBeLessThan(15);

    const status = (await home.omx(['status', 'b1', '--json'], { env })).json();
    const [job] = (await home.omx(['jobs', 'b1', '--json'], { env })).jsonLines();
    const at = (text: string): number => Date.parse(text);
    const queueNow = Date.now() + serverShift;
    for (const time of [status.submittedAt, status.startedAt, status.endedAt, job.queuedAt, job.startedAt, job.endedAt])
      expect(Math.abs(at(time) - queueNow)).toBeLessThan(60_000);
    expect(at(status.startedAt)).toBeGreaterThanOrEqual(at(status.submittedAt) - 1000);
    expect(status.real).toBeGreaterThan(1);
    expect(status.real).toBeLessThan(20);
    expect(job.real).toBeGreaterThan(0.29);
    expect(job.real).toBeLessThan(10);

    const doctor = (await home.omx(['doctor', '--json'], { env })).json();
    const remarks = doctor.checks.filter(({ verdict }: any) => verdict === 'warn');
    expect(remarks).toContainEqual(
      expect.objectContaining({ name: 'node n', reason: expect.stringMatching(`its clock is 1h(0m0s)? ${word}`) }),
    );
    expect(remarks).toContainEqual(expect.objectContaining({ name: 'clock' }));
    // One that runs now is as old as it is.
    await home.omx(['submit', '-q', '--', 'sleep', '30'], { env: elsewhere });
    const running = await until(
      async () => (await home.omx(['jobs', 'b2', '--json'], { env: elsewhere })).jsonLines()[0],
      {
        is: (each) => each?.state === 'running',
      },
    );
    expect(running.real).toBeGreaterThanOrEqual(0);
    expect(running.real).toBeLessThan(20);
    const nodes = (await home.omx(['nodes'], { env: elsewhere })).stdout;
    expect(nodes).toMatch(/\d(\.\d+)?m?s$/m);
  } finally {
    worker.kill();
    await worker.ended;
    await server.stop();
  }
});
