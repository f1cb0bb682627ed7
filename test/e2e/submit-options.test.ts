import { describe, expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';
import { ran } from '../kit/ran.ts';

const home = useHome({ shared: true });

const submit = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await home.omx(['submit', '-q', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trim();
};
const status = async (id: string): Promise<any> => (await home.omx(['status', id, '--json'])).json();
const states = async (...ids: readonly string[]): Promise<string[]> => {
  await home.omx(['wait', ...ids]);
  const found = (await home.omx(['status', ...ids, '--json'])).json();
  return [found].flat().map((batch: any) => batch.state);
};

describe('what a submit prints', () => {
  test('the id and what to do next', async () => {
    const { stdout } = await home.omx(['submit', '--array', '1-3', 'true']);
    const [first, second] = stdout.split('\n');
    const id = /^(b\d+) {2}3 jobs submitted$/.exec(first ?? '')?.[1];
    expect(second).toContain(`omx wait ${id}`);
  });

  test('the id alone with -q, an object with --json', async () => {
    expect((await home.omx(['submit', '-q', 'true'])).stdout).toMatch(/^b\d+\n$/);
    expect((await home.omx(['submit', '--json', '--array', '1-3', 'true'])).json()).toEqual({
      id: expect.stringMatching(/^b\d+$/),
      jobs: 3,
    });
  });
});

describe('exit codes of waiting', () => {
  test.each([
    ['all well', ['true'], 0, 0],
    ['one job failed', ['sh', '-c', 'exit 7'], 1, 7],
    ['one job was killed', ['sh', '-c', 'kill -9 $$'], 1, 137],
  ])('%s', async (_, command, ofSubmit, ofRun) => {
    expect((await home.omx(['submit', '--wait', '-q', ...command])).code).toBe(ofSubmit);
    expect((await home.omx(['run', ...command])).code).toBe(ofRun);
  });

  test('of several jobs one failed', async () => {
    const some = ['--array', '1-3', 'sh', '-c', 'test $OMX_JOB != 2'];
    expect((await home.omx(['submit', '--wait', ...some])).code).toBe(1);
    expect((await home.omx(['run', ...some])).code).toBe(1);
  });

  test('one that is not started', async () => {
    expect((await home.omx(['submit', '--wait', 'no-such-program'])).code).toBe(1);
  });

  test('time is over', async () => {
    const id = await submit('--hold', 'true');
    const { code, stderr } = await home.omx(['wait', id, '--timeout', '50ms', '--json']);
    expect(code).toBe(124);
    expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '').error.message).toContain(id);
  });
});

describe('--name and --key', () => {
  test('a batch is called by its name, else by its program', async () => {
    expect((await status(await submit('--name', 'my sweep é', 'true'))).name).toBe('my sweep é');
    expect((await status(await submit('/bin/true'))).name).toBe('true');
  });

  test('the same key twice is one batch, also where both come at once', async () => {
    const together = await Promise.all(
      Array.from({ length: 4 }, async () => home.omx(['submit', '--json', '--key', 'k 1', '--array', '1-2', 'true'])),
    );
    const [first] = together;
    expect(together.map((result) => result.json())).toEqual(together.map(() => first?.json()));
    const later = await home.omx(['submit', '--json', '--key', 'k 1', '--array', '1-9', 'false']);
    expect(later.json()).toEqual(first?.json());
    expect(await states(first?.json().id)).toEqual(['succeeded']);
    const other = await home.omx(['submit', '--json', '--key', 'k 2', 'true']);
    expect(other.json().id).not.toBe(first?.json().id);
  });
});

describe('--hold', () => {
  test('keeps the jobs back until they are let go', async () => {
    const id = await submit('--hold', '--array', '1-2', 'true');
    expect(await status(id)).toMatchObject({ state: 'held', counts: { held: 2, queued: 0 } });
    // Another one that comes later runs first.
    expect((await ran(home, ['true'])).code).toBe(0);
    expect((await status(id)).state).toBe('held');
    await home.omx(['release', id]);
    expect(await states(id)).toEqual(['succeeded']);
  });
});

describe('--after', () => {
  const held = async (command = 'true'): Promise<string> => submit('--hold', command);
  const release = async (id: string): Promise<void> => {
    expect((await home.omx(['release', id])).code).toBe(0);
  };

  test('ok, any or failed: by how the other has ended', async () => {
    const expected = {
      true: { ok: 'succeeded', any: 'succeeded', failed: 'cancelled' },
      false: { ok: 'cancelled', any: 'succeeded', failed: 'succeeded' },
    };
    const found: Record<string, Record<string, string>> = {};
    for (const command of ['true', 'false'] as const) {
      const first = await held(command);
      const next = { ok: '', any: '', failed: '' };
      for (const how of ['ok', 'any', 'failed'] as const)
        next[how] = await submit('--after', `${first}:${how}`, 'true');
      expect(
        (await home.omx(['status', ...Object.values(next), '--json'])).json().map((batch: any) => batch.state),
      ).toEqual(['held', 'held', 'held']);
      await release(first);
      const ends = await states(...Object.values(next));
      found[command] = Object.fromEntries(Object.keys(next).map((how, at) => [how, ends[at] ?? '']));
      const cancelled = next[command === 'true' ? 'failed' : 'ok'] as string;
      expect((await home.omx(['why', cancelled])).stdout).toMatch(new RegExp(`waited for ${first} `));
    }
    expect(found).toEqual(expected);
  });

  test('ok is what is meant without a word, and last is the newest batch now', async () => {
    const first = await held('false');
    const next = await submit('--after', 'last', 'true');
    await submit('true');
    await release(first);
    expect(await states(next)).toEqual(['cancelled']);
  });

  test('some jobs of a batch', async () => {
    const first = await submit('--hold', '--array', '1-5:2', 'sh', '-c', 'test $OMX_JOB != 3');
    const well = await submit('--after', `${first}.1,5`, 'true');
    const badly = await submit('--after', `${first}.3`, 'true');
    await release(first);
    expect(await states(well, badly)).toEqual(['succeeded', 'cancelled']);
  });

  test('several, all of which must have ended', async () => {
    const [one, two] = [await held(), await held('false')];
    const next = await submit('--after', one, '--after', `${two}:any`, 'true');
    await release(one);
    await home.omx(['wait', one]);
    expect((await status(next)).state).toBe('held');
    await release(two);
    expect(await states(next)).toEqual(['succeeded']);
  });

  test('what has ended before is not waited for, and what depends on a cancelled batch is cancelled too', async () => {
    const { id } = await ran(home, ['false']);
    const chain = await submit('--after', id, 'true');
    const end = await submit('--after', chain, 'true');
    const anyway = await submit('--after', `${chain}:any`, 'true');
    expect(await states(chain, end, anyway)).toEqual(['cancelled', 'cancelled', 'succeeded']);
  });

  test('of many jobs all run, once each', async () => {
    const first = await held();
    const next = await submit('--after', first, '--array', '1-300', 'true');
    await release(first);
    expect(await states(next)).toEqual(['succeeded']);
    expect(await status(next)).toMatchObject({ total: 300, counts: { succeeded: 300 } });
  });

  test('together with --hold it takes the end and the release', async () => {
    const first = await held();
    const next = await submit('--after', first, '--hold', 'true');
    await release(first);
    expect(await states(first)).toEqual(['succeeded']);
    expect((await status(next)).state).toBe('held');
    await release(next);
    expect(await states(next)).toEqual(['succeeded']);
  });
});

describe('--after all', () => {
  const own = useHome();

  test('is every batch there is', async () => {
    const [one, two] = [
      await own.omx(['submit', '-q', '--hold', 'true']),
      await own.omx(['submit', '-q', '--hold', 'true']),
    ].map(({ stdout }) => stdout.trim());
    const next = (await own.omx(['submit', '-q', '--after', 'all', 'true'])).stdout.trim();
    await own.omx(['release', one ?? '']);
    await own.omx(['wait', one ?? '']);
    expect((await own.omx(['status', next, '--json'])).json().state).toBe('held');
    await own.omx(['release', two ?? '']);
    expect((await own.omx(['wait', next])).code).toBe(0);
  });

  test('waits for nothing where there is none', async () => {
    expect((await own.omx(['submit', '--wait', '-q', '--after', 'all', 'true'])).code).toBe(0);
  });
});
