import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { jobsOf, open, startNode, submit, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { unfinished } from '../kit/shortage.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const slots = 4;
/** Claimed at most, beyond the slots. */
const ahead = 1000;
/** Ended jobs that are not on record, above which nothing is claimed. */
const unwritten = 2000;

test('where ended jobs cannot be written nothing more is claimed', async () => {
  await startNode(home, { slots });
  // A parser holds all ends back: each is written with its rows.
  const parser = `${home.work}/waits.mjs`;
  writeFileSync(
    parser,
    `import { existsSync } from 'node:fs';
     const cell = new Int32Array(new SharedArrayBuffer(4));
     export default (text) => {
       while (!existsSync(${JSON.stringify(`${home.work}/go`)})) Atomics.wait(cell, 0, 0, 5);
       return { text: text.trim() };
     };`,
  );
  const jobs = 3300;
  const id = await submit(home, ['--array', `1-${jobs}`, '--parse', parser, '--', '/bin/echo', '{}']);
  await until(() => unfinished(home, id) > unwritten, { timeoutMs: 20_000 });
  // What was claimed before comes to its end, and then nothing goes on.
  const taken = await until(async () => {
    const before = unfinished(home, id);
    await home.omx(['status', id]);
    return unfinished(home, id) === before ? before : undefined;
  });
  expect(taken).toBeLessThanOrEqual(unwritten + slots + ahead);
  open(`${home.work}/go`);
  expect(await waitFor(home, id)).toBe(0);
  const done = await jobsOf(home, id);
  expect(done.filter(({ outcome, attempt }) => outcome === 'succeeded' && attempt === 1)).toHaveLength(jobs);
});
