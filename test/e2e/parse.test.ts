import { writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';

import { finish, isAlive, jobOf, startNode, submit, waitFor, workerPid } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';

const home = useHome({ shared: true });
beforeAll(async () => {
  await startNode(home, { name: 'n1', slots: 2 });
});

async function rowsOf(...selectors: string[]): Promise<any[]> {
  const { code, stderr, jsonLines } = await home.omx(['results', ...selectors, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return jsonLines();
}

/** A job that prints the text. */
function printing(text: string, to = 1): string[] {
  return ['--', 'sh', '-c', `printf %s "$1" >&${to}`, '-', text];
}

test('every built-in parser makes its rows', async () => {
  const cases = [
    {
      parser: 'lines',
      text: 'ready\ndone\n',
      rows: [
        { line: 1, text: 'ready' },
        { line: 2, text: 'done' },
      ],
    },
    {
      parser: String.raw`regex:loss=(?<loss>[\d.]+)`,
      text: 'loss=0.5 … loss=0.25\n',
      rows: [{ loss: 0.5 }, { loss: 0.25 }],
    },
    { parser: String.raw`regex:(\w+)!`, text: 'so! and so!', rows: [{ g1: 'so' }, { g1: 'so' }] },
    { parser: 'keyvalue', text: 'seed=7\nFinal loss: 0.25\n', rows: [{ seed: 7, 'Final loss': 0.25 }] },
    {
      parser: 'csv',
      text: 'n,name\n1,ann\n2,"7"\n',
      rows: [
        { n: 1, name: 'ann' },
        { n: 2, name: '7' },
      ],
    },
    { parser: 'csv:;', text: 'a;b\n1;2\n', rows: [{ a: 1, b: 2 }] },
    { parser: 'json', text: '{"a":1}\n{"a":2}\n', rows: [{ a: 1 }, { a: 2 }] },
    { parser: 'fib', text: '2 -> started\n2 -> 2\n2 -> done [4711]\nDone!\n', rows: [{ n: 2, fib: 2 }] },
    { parser: 'keygen', text: 'child 2: 1000 keys of 1024 bits\n', rows: [{ child: 2, keys: 1000, bits: 1024 }] },
    {
      parser: 'time',
      text: 'real 3m25.045s\nuser 3m09.330s\nsys 0m0.240s\n',
      rows: [{ real: 205.045, user: 189.33, sys: 0.24 }],
      to: 2,
    },
  ];
  const ids: string[] = [];
  for (const { parser, text, to } of cases) ids.push(await submit(home, ['--parse', parser, ...printing(text, to)]));
  expect(await waitFor(home, ...ids)).toBe(0);
  expect(await rowsOf(...ids)).toEqual(
    cases.flatMap(({ rows }, at) => rows.map((row) => ({ id: `${ids[at]}.1`, ...row }))),
  );
});

test('a failed job has rows too, and stays failed', async () => {
  const id = await finish(home, ['--parse', 'keyvalue', '--', 'sh', '-c', 'echo loss=3; exit 4']);
  expect(await rowsOf(id)).toEqual([{ id: `${id}.1`, loss: 3 }]);
  expect(await jobOf(home, id)).toMatchObject({ outcome: 'exited', exitCode: 4 });
});

test('rows stand in the order of the jobs, as JSON, CSV and a table', async () => {
  const id = await finish(home, [
    '--parse',
    'keyvalue',
    '--array',
    '1-9',
    '--order',
    'reverse',
    '--',
    'sh',
    '-c',
    'echo "square=$((OMX_JOB * OMX_JOB))"',
  ]);
  const squares = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => ({ id: `${id}.${n}`, square: n * n }));
  expect(await rowsOf(id)).toEqual(squares);
  expect(await rowsOf(`${id}.3-4,9`)).toEqual([squares[2], squares[3], squares[8]]);
  expect((await home.omx(['results', id, '--csv'])).lines()).toEqual([
    'id,square',
    ...squares.map((row) => `${row.id},${row.square}`),
  ]);
  const table = (await home.omx(['results', id])).lines();
  expect(table[0]).toMatch(/^id\s+square$/);
  expect(table).toHaveLength(10);
});

test('a module of the user’s own gets text and context', async () => {
  writeFileSync(
    `${home.work}/own.mjs`,
    `export default async (text, { batch, index, value, exitCode, err }) => ({ text, batch, index, value, exitCode, err });\n`,
  );
  const id = await finish(
    home,
    ['--parse', './own.mjs', '--each', '-', '--', 'sh', '-c', 'printf "<$1>"; printf oops >&2; exit 3', '-'],
    { input: 'x y\n' },
  );
  expect(await rowsOf(id)).toEqual([
    { id: `${id}.1`, text: '<x y>', batch: id, index: 1, value: 'x y', exitCode: 3, err: 'oops' },
  ]);
});

test('a parser that throws, loops, eats memory, exits or is not there harms neither job nor worker', async () => {
  const pid = workerPid(home, 'n1') ?? 0;
  const modules = {
    throws: { code: 'export default () => { throw new Error("no such column"); };', error: /no such column/ },
    loops: { code: 'export default () => { for (;;); };', error: /10 s/ },
    eats: {
      code: 'export default () => { const all = []; for (;;) all.push(new Array(100000).fill(all.length)); };',
      error: /memory/,
    },
    exits: { code: 'export default () => process.exit(0);', error: /./ },
    broken: { code: 'export default (', error: /./ },
    no: { code: 'export const other = 1;', error: /./ },
  };
  for (const [name, { code }] of Object.entries(modules)) writeFileSync(`${home.work}/${name}.mjs`, code);
  const names = [...Object.keys(modules), 'missing'];
  const ids: string[] = [];
  for (const name of names)
    ids.push((await home.omx(['submit', '-q', '--parse', `./${name}.mjs`, '--', 'echo', name])).stdout.trim());
  const { code } = await home.omx(['wait', '-q', ...ids]);
  expect(code).toBe(0);
  const rows = await rowsOf(...ids);
  expect(rows.map((row) => Object.keys(row))).toEqual(names.map(() => ['id', 'error']));
  for (const [at, { error }] of Object.values(modules).entries()) expect(rows[at].error, names[at]).toMatch(error);
  expect(workerPid(home, 'n1')).toBe(pid);
  expect(isAlive(pid)).toBe(true);
  const after = await finish(home, ['--parse', 'lines', ...printing('still here\n')]);
  expect(await rowsOf(after)).toEqual([{ id: `${after}.1`, line: 1, text: 'still here' }]);
});

test.for([
  { parser: 'no-such-parser', said: /no-such-parser/ },
  { parser: 'regex:(', said: /regex/i },
])('--parse $parser is refused at once', async ({ parser, said }) => {
  const { code, stderr, stdout } = await home.omx(['submit', '--parse', parser, '--', 'true']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(said);
});
