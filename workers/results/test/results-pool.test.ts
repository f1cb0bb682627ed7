import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { errorIn, folder, moduleFile, pool, request, threadCount } from './kit.ts';

// Filling memory takes its time where the processors are busy.
vi.setConfig({ testTimeout: 60_000 });

const fib = request('fib', '1 -> started\n1 -> 1\nDone!\n');
const fibRows = { rows: [{ n: 1, fib: 1 }] };
const looping = 'export default () => { for (;;); }';

test('rows from bytes, from a view into a larger buffer and from a file', async () => {
  const results = pool();
  const path = join(folder(), 'out');
  writeFileSync(path, '2 -> 2\n');
  const view = Buffer.from('xx3 -> 3\nxx').subarray(2, 9);
  expect(await results.parse(fib)).toEqual(fibRows);
  expect(await results.parse({ ...fib, out: { path } })).toEqual({ rows: [{ n: 2, fib: 2 }] });
  expect(await results.parse({ ...fib, out: view })).toEqual({ rows: [{ n: 3, fib: 3 }] });
  expect(view.toString()).toBe('3 -> 3\n');
});

test('an unknown parser is an error of the request', async () => {
  expect(errorIn(await pool().parse(request('fibonacci')))).toBe("there is no parser 'fibonacci'");
});

test('limits of the pool hold', async () => {
  const results = pool({ maxRows: 2, maxRowBytes: 100, maxOutputBytes: 1000 });
  expect(errorIn(await results.parse(request('lines', 'a\nb\nc\n')))).toBe('more than 2 rows, the limit for one job');
  expect(errorIn(await results.parse(request('lines', 'x'.repeat(200))))).toMatch('more than 100 bytes');
  expect(errorIn(await results.parse(request('lines', 'x'.repeat(2000))))).toMatch('more than the 1000');
});

test.each([
  ['throws', 'export default () => { throw new Error("no such luck"); }', /^no such luck \(my-parser/],
  ['throws what is no error', 'export default () => { throw "just text"; }', /^just text$/],
  ['throws what has no text', 'export default () => { throw Object.create(null); }', /without a message/],
  ['rejects', 'export default async () => { throw new Error("later"); }', /^later/],
  ['exits', 'export default () => process.exit(3)', /ended its thread: .*code: 3/],
  ['exits at import', 'process.exit(0); export default () => null', /ended its thread/],
  [
    'leaves a rejection behind',
    'export default () => { Promise.reject(new Error("lost")); return new Promise(() => {}); }',
    /ended its thread: lost/,
  ],
  ['returns a cycle', 'export default () => { const row = {}; row.row = row; return row; }', /circular/],
  [
    'returns rows without end',
    'export default () => Array.from({ length: 100_001 }, () => ({}))',
    /more than 100000 rows/,
  ],
])('a parser that %s fails alone', async (_, source, message) => {
  const results = pool();
  expect(errorIn(await results.parse(request(moduleFile(source))))).toMatch(message);
  expect(await results.parse(fib)).toEqual(fibRows);
});

// Growing arrays and maps would end the whole process at V8's own limit; buffers do not count for it at all.
test.each([
  ['objects', 'const all = []; for (;;) all.push({ n: all.length, s: "s" + all.length });'],
  ['one array', 'const all = []; for (;;) all.push(all.length + 0.5);'],
  ['one map', 'const all = new Map(); for (let n = 0; ; n++) all.set(n, n);'],
  ['large arrays', 'const all = []; for (;;) all.push(new Array(1e7).fill(1.5));'],
  ['buffers', 'const all = []; for (;;) all.push(Buffer.alloc(1e7, 1));'],
  ['pieces of its output', String.raw`return text.split('\n').map((line) => ({ line }));`],
])('a parser that eats memory with %s fails alone', async (_, body) => {
  const results = pool({ maxOldGenerationMb: 48, timeoutMs: 30_000 });
  const eater = request(moduleFile(`export default (text) => { ${body} }`), '\n'.repeat(16 * 1024 * 1024));
  expect(errorIn(await results.parse(eater))).toBe('the parser used more than 48 MiB of memory');
  expect(await results.parse(fib)).toEqual(fibRows);
});

test('a parser beside one that eats memory is not blamed', async () => {
  const results = pool({ maxOldGenerationMb: 48, threads: 2, timeoutMs: 30_000 });
  const eater = request(moduleFile('export default () => { const all = []; for (;;) all.push(all.length + 0.5); }'));
  const patient = request(
    moduleFile('import { setTimeout } from "node:timers/promises"; export default () => setTimeout(1000, { ok: 1 })'),
  );
  const [bad, good] = await Promise.all([results.parse(eater), results.parse(patient)]);
  expect(errorIn(bad)).toMatch('MiB of memory');
  expect(good).toEqual({ rows: [{ ok: 1 }] });
});

test.each([
  ['loops', moduleSource(looping)],
  ['never settles', moduleSource('export default () => new Promise(() => {})')],
  ['backtracks without end', () => 'regex:^(a+)+$'],
])('a parser that %s is ended, and those waiting behind it are served', async (_, parser) => {
  const results = pool({ timeoutMs: 2000 });
  const bad = results.parse(request(parser(), `${'a'.repeat(60)}!`));
  const behind = [results.parse(fib), results.parse(fib)];
  expect(errorIn(await bad)).toBe('the parser did not end within 2 s');
  expect(await Promise.all(behind)).toEqual([fibRows, fibRows]);
});

test('good requests end while a bad one loops', async () => {
  const results = pool({ threads: 2, timeoutMs: 3_000 });
  let looped = false;
  const bad = results.parse(request(moduleFile(looping))).finally(() => {
    looped = true;
  });
  const good = await Promise.all(Array.from({ length: 50 }, () => results.parse(fib)));
  expect(good).toEqual(Array.from({ length: 50 }, () => fibRows));
  expect(looped).toBe(false);
  expect(errorIn(await bad)).toMatch('did not end');
});

test('what one parser leaves behind does not fail the next', async () => {
  const results = pool();
  const parser = moduleFile(
    'export default () => { setImmediate(() => { throw new Error("left behind"); }); return { ok: 1 }; }',
  );
  const slow = moduleFile(
    'import { setTimeout } from "node:timers/promises"; export default () => setTimeout(50, { ok: 2 })',
  );
  expect(await results.parse(request(parser))).toEqual({ rows: [{ ok: 1 }] });
  expect(await results.parse(request(slow))).toEqual({ rows: [{ ok: 2 }] });
});

test('what a parser prints goes nowhere', async () => {
  const parser = moduleFile(
    'export default () => { console.log("x".repeat(1e6)); console.error("y"); return { ok: 1 }; }',
  );
  expect(await pool().parse(request(parser))).toEqual({ rows: [{ ok: 1 }] });
});

test('an unused thread is given back', async () => {
  const results = pool({ idleMs: 1 });
  await results.parse(request('lines'));
  const before = threadCount();
  await results.parse(fib);
  await expect.poll(threadCount).toBeLessThan(before);
  expect(await results.parse(fib)).toEqual(fibRows);
});

test('close finishes what was accepted, takes nothing more and leaves no thread', async () => {
  const results = pool({ threads: 2 });
  await Promise.all([results.parse(fib), results.parse(fib)]);
  const before = threadCount();
  const accepted = [results.parse(fib), results.parse(fib), results.parse(fib)];
  await Promise.all([results.close(), results.close()]);
  expect(await Promise.all(accepted)).toEqual([fibRows, fibRows, fibRows]);
  expect(threadCount()).toBe(before - 2);
  await expect(results.parse(fib)).rejects.toMatchObject({ code: 'RESULTS_POOL_CLOSED' });
});

test('close waits no longer than one time limit, and what it cuts off is no fault of the parser', async () => {
  const results = pool({ timeoutMs: 2000 });
  const loop = request(moduleFile(looping));
  const all = Promise.allSettled([results.parse(loop), results.parse(loop), results.parse(fib)]);
  await results.close();
  const [, ...cutOff] = await all;
  for (const settled of cutOff) expect(settled).toMatchObject({ reason: { code: 'RESULTS_POOL_CLOSED' } });
});

function moduleSource(source: string): () => string {
  return () => moduleFile(source);
}
