import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';

import { type OmxResult, root, useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';

const examples = join(root, 'examples');
const home = useHome({ shared: true });

async function build(name: string): Promise<void> {
  const { exitCode, all } = await execa('sh', [join(examples, 'build.sh'), name], { reject: false, all: true });
  expect(exitCode, all).toBe(0);
}

/** Runs a batch file, from a folder that is not its own. */
async function run(file: string, ...more: string[]): Promise<OmxResult> {
  const result = await home.omx(['run', '-f', join(examples, file), ...more]);
  expect(result.code, result.stderr).toBe(0);
  expect(result.stderr).toMatch(/real\s.*\nuser\s.*\nsys\s/);
  return result;
}

async function rows(): Promise<Record<string, unknown>[]> {
  const { code, jsonLines } = await home.omx(['results', 'last', '--json']);
  expect(code).toBe(0);
  return jsonLines().map(({ id: _id, ...row }) => row);
}

/** The numbers up to `n` that an `expected.json` has, as the parser `fib` says them. */
function numbers(example: string, n: number): { n: number; fib: number }[] {
  const expected = JSON.parse(readFileSync(join(examples, example, 'expected.json'), 'utf8')) as {
    n: number;
    value: number;
  }[];
  return expected.filter((each) => each.n <= n).map(({ n: number, value }) => ({ n: number, fib: value }));
}

function byNumber(some: Record<string, unknown>[]): Record<string, unknown>[] {
  return [...some].sort((a, b) => Number(a['n'] ?? a['child']) - Number(b['n'] ?? b['child']));
}

describe('multifibo', skipUnless('c++'), () => {
  beforeAll(async () => build('multifibo'));

  test('multifibo-40.yaml', async () => {
    const { lines } = await run('multifibo/multifibo-40.yaml');
    expect(await rows()).toEqual(numbers('multifibo', 40));
    expect(lines().sort()).toEqual(
      numbers('multifibo', 40)
        .map(({ n, fib }) => `${n} -> ${fib}`)
        .sort(),
    );
    expect((await home.omx(['status', 'last', '--json'])).json()).toMatchObject({
      name: 'multifibo',
      state: 'succeeded',
      total: 40,
    });
  });

  test('multifibo-45.toml, to 30', async () => {
    await run('multifibo/multifibo-45.toml', '--array', '1-30');
    expect(await rows()).toEqual(numbers('multifibo', 30));
    const all = (
      await home.omx(['submit', '--dry-run', '--json', '-f', join(examples, 'multifibo/multifibo-45.toml')])
    ).jsonLines();
    expect(all.map(({ argv }) => argv)).toEqual(Array.from({ length: 45 }, (_, at) => ['./build/fib', String(at + 1)]));
  });

  test('forking.json', async () => {
    const { lines } = await run('multifibo/forking.json');
    expect(lines().at(-1)).toBe('Done!');
    expect(byNumber(await rows())).toEqual(numbers('multifibo', 40));
  });
});

describe('distkeygen', skipUnless('openssl'), () => {
  beforeAll(async () => build('distkeygen'));
  const expected = JSON.parse(readFileSync(join(examples, 'distkeygen/expected-small.json'), 'utf8'));

  test('small.yaml', async () => {
    const { lines } = await run('distkeygen/small.yaml');
    expect(await rows()).toEqual(expected);
    expect(lines().sort()).toEqual([0, 1, 2, 3, 4].map((child) => `child ${child}: 3 keys of 1024 bits`));
  });

  test('full.yaml and forking.json, with three pairs', async () => {
    await run('distkeygen/full.yaml', '--', './build/distkeygen', '{}', '3', '1024');
    expect(await rows()).toEqual(expected);
    await run('distkeygen/forking.json', '--', './build/distkeygen', '--fork', '5', '3', '1024');
    expect(byNumber(await rows())).toEqual(expected);
  });
});

describe('bash-perl', skipUnless('bash', 'perl'), () => {
  const expected = readFileSync(join(examples, 'bash-perl/expected.txt'), 'utf8');
  test.for(['one-per-file.toml', 'burst.yaml'])('%s', async (file) => {
    const { lines } = await run(`bash-perl/${file}`);
    const bytewise = lines().sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(`${bytewise.join('\n')}\n`).toBe(expected);
  });
});

test('java', skipUnless('java'), async () => {
  await build('java');
  const { lines } = await run('java/multifibo.yaml');
  expect(lines().at(-1)).toBe('Done!');
  expect(byNumber(await rows())).toEqual(numbers('java', 30));
});

test('prolog', skipUnless('swipl'), async () => {
  await build('prolog');
  const { lines } = await run('prolog/multifibo.yaml');
  expect(lines().at(-1)).toBe('Done!');
  expect(byNumber(await rows())).toEqual(numbers('prolog', 20));
});
