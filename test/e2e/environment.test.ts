import { mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';
import { fixture, ran } from '../kit/ran.ts';

const home = useHome({ shared: true });

/** Runs what follows after a line of shell. */
const after = (line: string): readonly string[] => ['sh', '-c', `${line}; exec "$@"`, 'sh'];
/** What `env -0` wrote, byte for byte: one character a byte. */
const entriesOf = (output: Uint8Array | undefined): string[] =>
  Buffer.from(output ?? [])
    .toString('latin1')
    .split('\0')
    .filter(Boolean)
    .sort();

describe('the environment of the submitter', () => {
  test('travels with the batch, whatever its bytes are', async () => {
    const env = { LINES_OF: 'two\nlines\n', EMPTY: '', EQUALS: 'a=b=c', 'odd name.x': '1', SIGN: '\uFFFD' };
    const batch = await ran(home, ['env', '-0'], { env, through: after('export BAD="$(printf \'a\\377b\\303\')"') });
    const entries = entriesOf(batch.out[1]);
    expect(entries).toEqual(
      expect.arrayContaining([
        'LINES_OF=two\nlines\n',
        'EMPTY=',
        'EQUALS=a=b=c',
        'BAD=a\u00FFb\u00C3',
        'SIGN=\u00EF\u00BF\u00BD',
        `OMX_BATCH=${batch.id}`,
      ]),
    );
  });

  test('is that of each submit, not that of the worker or of an earlier one', async () => {
    const first = await ran(home, ['env', '-0'], { env: { ONLY_FIRST: '1' } });
    const second = await ran(home, ['env', '-0'], { env: { ONLY_SECOND: '2' } });
    expect(entriesOf(first.out[1])).toContain('ONLY_FIRST=1');
    expect(entriesOf(second.out[1])).toContain('ONLY_SECOND=2');
    expect(entriesOf(second.out[1]).join(' ')).not.toContain('ONLY_FIRST');
  });

  test('says where programs are looked for', async () => {
    const folder = join(home.work, 'programs');
    mkdirSync(folder);
    symlinkSync(fixture('argv-hex'), join(folder, 'only-here'));
    const PATH = `${folder}:${process.env['PATH']}`;
    expect((await ran(home, ['only-here', 'A'], { env: { PATH } })).out[1]?.toString()).toBe('41\n');
    expect((await ran(home, ['--env', `PATH=${PATH}`, 'only-here', 'B'])).out[1]?.toString()).toBe('42\n');
    expect((await ran(home, ['only-here', 'C'])).jobs[0].outcome).toBe('not-started');
  });

  test('is added to by --env, where the last of a name counts', async () => {
    const batch = await ran(home, ['--env', 'A=1', '--env', 'B=x=y\n', '--env', 'A=2', '--env', 'C=', 'env', '-0'], {
      env: { A: '0', B: '0', D: '0' },
    });
    const changed = entriesOf(batch.out[1]).filter((entry) => /^[ABCD]=/.test(entry));
    expect(changed).toEqual(['A=2', 'B=x=y\n', 'C=', 'D=0']);
  });

  test('is left behind by --clean-env, but for what hardly a program can do without', async () => {
    const env = { HOME: '/home/of', USER: 'someone', LOGNAME: 'someone', SHELL: '/bin/sh', SECRET: 'no' };
    const batch = await ran(home, ['--clean-env', '--env', 'KEPT=yes', 'env', '-0'], { env });
    const names = entriesOf(batch.out[1]).map((entry) => entry.slice(0, entry.indexOf('=')));
    expect(names.filter((name) => !name.startsWith('OMX_'))).toEqual([
      'HOME',
      'KEPT',
      'LOGNAME',
      'PATH',
      'SHELL',
      'USER',
    ]);
    expect(names).toEqual(expect.arrayContaining(['OMX_ATTEMPT', 'OMX_BATCH', 'OMX_JOB', 'OMX_NODE', 'OMX_VALUE']));
    expect(names).not.toContain('OMX_HOME');
    expect(entriesOf(batch.out[1])).toContain('HOME=/home/of');
  });

  test('is not shown by any command', async () => {
    const { id } = (await home.omx(['submit', '--json', '--wait', 'true'], { env: { PASSWORD: 'se-cr-et' } })).json();
    for (const args of [
      ['status', id],
      ['status', id, '--json'],
      ['jobs', id, '--json'],
      ['why', id],
      ['why', `${id}.1`],
    ]) {
      expect((await home.omx(args)).stdout).not.toContain('se-cr-et');
    }
  });
});

describe('the working directory', () => {
  beforeAll(() => {
    for (const folder of ['sub/deep', 'with blank\nand é']) mkdirSync(join(home.work, folder), { recursive: true });
  });
  const pwd = async (
    args: readonly string[],
    options: { cwd?: string; through?: readonly string[] } = {},
  ): Promise<string> =>
    String((await ran(home, [...args, 'readlink', '-n', '/proc/self/cwd'], options)).out[1]?.toString('latin1'));

  test('is the submitter’s', async () => {
    expect(await pwd([])).toBe(home.work);
    expect(await pwd([], { cwd: join(home.work, 'sub') })).toBe(join(home.work, 'sub'));
  });

  test('is that of --cwd, which starts at the submitter’s', async () => {
    expect(await pwd(['--cwd', 'deep'], { cwd: join(home.work, 'sub') })).toBe(join(home.work, 'sub/deep'));
    expect(await pwd(['--cwd', '/'])).toBe('/');
  });

  test('may have any name, also one that is not UTF-8', async () => {
    expect(Buffer.from(await pwd(['--cwd', 'with blank\nand é']), 'latin1').toString()).toBe(
      join(home.work, 'with blank\nand é'),
    );
    const bad = '"$(printf \'bad\\377\')"';
    expect(await pwd([], { through: after(`mkdir ${bad}; cd ${bad}`) })).toBe(`${home.work}/bad\u00FF`);
  });

  test('that is not there on the node is the job’s failure', async () => {
    const batch = await ran(home, ['--cwd', 'nowhere', 'true']);
    expect(batch.jobs[0]).toMatchObject({ outcome: 'not-started', exitCode: null, attempt: 1 });
    expect((await home.omx(['why', `${batch.id}.1`])).stdout).toContain('nowhere');
  });

  test('that was removed under the submitter is refused in words', async () => {
    const gone = join(home.work, 'gone');
    mkdirSync(gone);
    const { code, stderr } = await home.omx(['submit', 'true'], { through: after(`cd ${gone}; rmdir ${gone}`) });
    expect(stderr).toMatch(/^error: .*working directory.*\n(hint: .*\n)?$/);
    expect(code).toBe(2);
    rmSync(gone, { recursive: true, force: true });
  });
});

describe('umask and standard input', () => {
  test.each(['000', '027', '077'])('umask %s travels', async (umask) => {
    const batch = await ran(home, ['sh', '-c', `umask; : > made.${umask}`], { through: after(`umask ${umask}`) });
    expect(String(batch.out[1])).toMatch(new RegExp(`^0?${umask}\n$`));
    expect(statSync(join(home.work, `made.${umask}`)).mode & 0o777).toBe(0o666 & ~Number.parseInt(umask, 8));
  });

  test('there is none to read, unless --stdin names it', async () => {
    const input = Buffer.from('binary \0 \u00FF and more', 'latin1');
    writeFileSync(join(home.work, 'input'), input);
    expect((await ran(home, ['sh', '-c', 'cat; echo end'], { input: 'the submitter’s own' })).out[1]?.toString()).toBe(
      'end\n',
    );
    expect((await ran(home, ['--stdin', 'input', 'cat'])).out[1]?.equals(input)).toBe(true);
    const each = await ran(home, ['--array', '1-2', '--stdin', join(home.work, 'input'), '--cwd', '/', 'wc', '-c']);
    expect(Object.values(each.out).map((out) => Number(String(out)))).toEqual([input.length, input.length]);
  });

  test('a file that is not there on the node is the job’s failure', async () => {
    const batch = await ran(home, ['--stdin', 'nothing', 'cat']);
    expect(batch.jobs[0].outcome).toBe('not-started');
    expect((await home.omx(['why', `${batch.id}.1`])).stdout).toContain('nothing');
  });

  test('that of the submitter cannot be kept', async () => {
    const { code, stderr } = await home.omx(['submit', '--stdin', '-', 'cat']);
    expect(stderr).toMatch(/^error: --stdin: .*\nhint: .*\n$/);
    expect(code).toBe(2);
  });
});

describe('options that are not UTF-8 text', () => {
  test.each(['--env', '--cwd', '--name', '--stdin', '--param'])('%s is refused rather than changed', async (option) => {
    const { code, stderr } = await home.omx([], {
      through: ['sh', '-c', `exec "$@" submit ${option} "$(printf 'N=\\377')" true`, 'sh'],
    });
    expect(stderr).toMatch(new RegExp(`^error: ${option}: .*UTF-8.*\n(hint: .*\n)?$`));
    expect(code).toBe(2);
  });

  test('a replacement character that was typed is text like any other', async () => {
    expect(String((await ran(home, ['--env', 'SIGN=\uFFFD', 'sh', '-c', 'echo $SIGN'])).out[1])).toBe('\uFFFD\n');
  });
});
