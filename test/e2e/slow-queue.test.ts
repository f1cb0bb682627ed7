import { connect, type Redis } from '@omx/queue';
import { expect, test } from 'vitest';

import { jobsOf, startNode, submit, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { allWell, linesFrom, succeeded, unfinished } from '../kit/shortage.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const count = 3000;
const slots = 4;
/** Claimed at most, beyond the slots. */
const ahead = 1000;

async function queue(): Promise<Redis> {
  return connect({ socket: `${home.dir}/redis.sock` });
}

test('a queue that answers late slows the node down, which claims no more than it may and counts each job once', async () => {
  await startNode(home, { slots });
  const redis = await queue();
  const id = await submit(home, ['--array', `1-${count}`, '--', '/bin/echo', '{}']);
  await until(async () => (await succeeded(home, id)) >= 300);
  const waiting = waitFor(home, id);
  let over = false;
  void waiting.finally(() => (over = true));
  let most = 0;
  let pauseMs = 3000;
  // After a long silence each answer takes up to a tenth of a second; what was asked meanwhile is answered in one moment.
  await until(
    async () => {
      await redis.client('PAUSE', pauseMs, 'ALL');
      await redis.ping();
      most = Math.max(most, unfinished(home, id));
      pauseMs = 100;
      return over;
    },
    { timeoutMs: 60_000 },
  );
  redis.disconnect();
  expect(await waiting).toBe(0);
  // There was a backlog.
  expect(most).toBeGreaterThan(20 * slots);
  expect(most).toBeLessThanOrEqual(slots + ahead);
  const jobs = await jobsOf(home, id);
  expect(jobs.filter(({ attempt }) => attempt === 1)).toHaveLength(count);
  await allWell(home, id, linesFrom(1, count));
});
