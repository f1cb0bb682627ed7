import { chownSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';

import {
  finish,
  isAlive,
  jobOf,
  jobsOf,
  killNow,
  linesOf,
  logsOf,
  open,
  shepherdPid,
  startNode,
  submit,
  traces,
  waitFor,
  workerPid,
} from '../kit/batches.ts';
import { criuForOthers } from '../kit/criu-for-others.ts';
import { type TestHome, useHome } from '../kit/home.ts';
import { asNobody, skipUnless } from '../kit/needs.ts';
import { fixture, ran } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

/** Of `nobody`. */
const uid = 65_534;
const setpriv = ['setpriv', ...asNobody];
const users = [
  { who: 'whoever runs the tests', through: [], tools: ['criu'] },
  { who: 'an ordinary user', through: setpriv, tools: ['criu', 'root', 'another user'] },
] as const;

const burner = ['sh', '-c', 'exec "$0" 1000000', fixture('burn')];

/** The same home with every command run by another user. */
function runBy(home: TestHome, through: readonly string[]): TestHome & { as: (env: Record<string, string>) => void } {
  const env: Record<string, string> = {};
  return {
    get dir() {
      return home.dir;
    },
    get work() {
      return home.work;
    },
    get env() {
      return { ...home.env, ...env };
    },
    as: (more) => Object.assign(env, more),
    omx: async (args, options) => home.omx(args, { ...options, through, env: { ...env, ...options?.env } }),
    omxSpawn: (args, options) => home.omxSpawn(args, { ...options, through, env: { ...env, ...options?.env } }),
  };
}

function folderOf(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

/** What is there of jobs in capsules, on all nodes of the home. */
function leftOf({ dir }: TestHome): string[] {
  return folderOf(join(dir, 'nodes')).flatMap((node) => folderOf(join(dir, 'nodes', node, 'jobs')));
}

async function nothingLeft(home: TestHome): Promise<void> {
  await until(() => leftOf(home), { is: (left) => left.length === 0 });
}

/** Processes that have such a word on their command line. */
function pidsOf(word: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0').includes(word)
        ? [Number(name)]
        : [];
    } catch {
      return [];
    }
  });
}

describe.for(users)('under --launcher criu, run by $who', { ...skipUnless('criu') }, ({ through, tools }) => {
  describe('jobs', skipUnless(...tools), () => {
    const shared = useHome({ shared: true });
    const home = runBy(shared, through);
    const criu = ['--launcher', 'criu'];
    beforeAll(async () => {
      if (through.length > 0) {
        for (const path of [shared.dir, shared.work]) chownSync(path, uid, uid);
        home.as({ HOME: '/tmp', OMX_CRIU: criuForOthers(shared.dir) });
      }
      await startNode(home, { slots: 4 });
    });
    function tracesOf(name: string): string {
      const dir = traces(home, name);
      if (through.length > 0) chownSync(dir, uid, uid);
      return dir;
    }
    /** Runs a command under plain and under criu. */
    async function both(args: readonly string[], options = {}) {
      return Promise.all([
        ran(home, ['--launcher', 'plain', ...args], options),
        ran(home, [...criu, ...args], options),
      ]);
    }

    test.for([
      ['true'],
      ['sh', '-c', 'exit 7'],
      ['sh', '-c', 'exit 125'],
      ['sh', '-c', 'exit 127'],
      ['sh', '-c', 'exit 255'],
      ['sh', '-c', 'kill -KILL $$'],
      ['sh', '-c', 'kill -TERM $$'],
      ['sh', '-c', 'kill -ABRT $$'],
      ['sh', '-c', 'exit 137'],
    ])('end as under plain: %j', async (argv) => {
      const [plain, capsule] = await both(['--', ...argv]);
      const { state, outcome, exitCode, signal } = plain.jobs[0];
      expect(capsule.jobs[0]).toMatchObject({ state, outcome, exitCode, signal, attempt: 1, launcher: 'criu' });
    });

    test.for([
      ['--', '/no/such/program'],
      ['--', 'no-such-program'],
      ['--', '/etc/passwd'],
      ['--', '/etc'],
      ['--cwd', '/no/such/folder', '--', 'true'],
      ['--stdin', '/no/such/file', '--', 'true'],
    ])('are not started for the reasons of plain: %j', async (args) => {
      const why = async (launcher: string): Promise<string[]> => {
        const id = await finish(home, ['--launcher', launcher, ...args]);
        expect(await jobOf(home, id)).toMatchObject({ outcome: 'not-started', exitCode: null });
        expect(await logsOf(home, id)).toBe('');
        return (await home.omx(['why', `${id}.1`])).stdout
          .replaceAll(id, 'ID')
          .replace(/ after \S+/g, '')
          .split('\n');
      };
      const [plain, capsule] = await Promise.all(['plain', 'criu'].map(why));
      expect(capsule).toEqual(plain);
    });

    test('get their arguments byte for byte', async () => {
      const words = [
        'a b',
        '',
        '\n',
        '"',
        "'",
        '\\',
        '$HOME',
        '*',
        '--',
        '-x',
        '--folder',
        '--out',
        'é',
        '👩‍🚀',
        '\u0001',
      ];
      const bytes = Buffer.from(Array.from({ length: 255 }, (_, at) => at + 1));
      writeFileSync(join(home.work, 'bytes'), Buffer.concat([bytes, Buffer.from('\0')]));
      const [plain, capsule] = await both(['--', fixture('argv-hex'), ...words]);
      expect(capsule.out).toEqual(plain.out);
      expect(String(capsule.out[1]).split('\n')).toHaveLength(words.length + 1);
      const [plainBytes, capsuleBytes] = await both([
        '--each',
        join(home.work, 'bytes'),
        '-0',
        '--',
        fixture('argv-hex'),
      ]);
      expect(capsuleBytes.out).toEqual(plainBytes.out);
    });

    test('get the environment, folder, umask and standard input of plain, and a TMPDIR of their own', async () => {
      const input = join(home.work, 'input');
      writeFileSync(input, 'first\nsecond\n');
      const script = 'env -0; pwd -P; umask; cat; [ -d "$TMPDIR" ] && echo x >"$TMPDIR/x" && cat "$TMPDIR/x"';
      const args = ['--cwd', '/usr', '--stdin', input, '--env', 'BAD=two\nlines', '--', 'sh', '-c', script];
      const env = { PWD: '/elsewhere', TMPDIR: home.work };
      const at = ['sh', '-c', 'umask 027; exec "$@"', 'sh'];
      const [plain, capsule] = (
        await Promise.all(
          ['plain', 'criu'].map(async (launcher) =>
            ran(runBy(shared, [...through, ...at]), ['--launcher', launcher, ...args], { env }),
          ),
        )
      ).map(({ id, out }) =>
        String(out[1])
          .replaceAll(id, 'ID')
          .split(/[\0\n]/)
          .filter((line) => !line.startsWith('OMX_TOKEN='))
          .map((line) => line.replace(/^TMPDIR=.*/, 'TMPDIR'))
          .sort(),
      );
      expect(capsule).toEqual(plain);
      expect(capsule).toEqual(expect.arrayContaining(['PWD=/usr', '0027', 'second', 'x', 'TMPDIR', 'BAD=two']));
    });

    test('start under a umask that forbids everything', async () => {
      const batch = await ran(runBy(shared, [...through, 'sh', '-c', 'umask 0777; exec "$@"', 'sh']), [
        ...criu,
        ...['--', 'sh', '-c', 'umask'],
      ]);
      expect(String(batch.out[1])).toBe('0777\n');
    });

    test('write in order, and their output is the same while they run, small and large', async () => {
      const dir = tracesOf('output');
      const script = 'for i in 1 2 3; do echo out$i; echo err$i >&2; done; "$1" "$2"; head -c "$3" /dev/zero; echo end';
      const command = ['--', 'sh', '-c', script, '-', fixture('latch'), dir];
      const id = await submit(home, [...criu, ...command, '300000']);
      await until(() => linesOf(`${dir}/started`).length === 1);
      const seen = home.omxSpawn(['tail', '-f', '--out', `${id}.1`]);
      await until(() => seen.stdout().includes('out3\nstarted 1\n'));
      expect(await logsOf(home, '--err', `${id}.1`)).toBe('err1\nerr2\nerr3\n');
      open(`${dir}/go`);
      expect(await waitFor(home, id)).toBe(0);
      const whole = `out1\nout2\nout3\nstarted 1\ndone 1\n${'\0'.repeat(300_000)}end\n`;
      expect((await seen.ended).stdout).toBe(whole);
      await nothingLeft(home);
      expect(await logsOf(home, id)).toBe(whole);
      // Only what it has written stays on the node.
      expect(folderOf(join(home.dir, 'nodes', 'n1', 'out', id)).sort()).toEqual(['1.1.err', '1.1.out']);
      const small = await finish(home, [...criu, ...command, '10']);
      expect(await logsOf(home, small)).toBe(whole.replace('\0'.repeat(300_000), '\0'.repeat(10)));
      const cut = await finish(home, [...criu, '--max-output', '100k', ...command, '300000']);
      expect((await logsOf(home, cut)).length).toBe(100 * 1024);
    });

    test('are cancelled, gently at first', async () => {
      const dir = tracesOf('cancel');
      const polite = await submit(home, [...criu, '--', fixture('polite'), `${dir}/polite`]);
      const stubborn = await submit(home, [...criu, '--grace', '1s', '--', fixture('stubborn'), `${dir}/stubborn`]);
      await until(() => linesOf(`${dir}/polite`).length + linesOf(`${dir}/stubborn`).length === 2);
      expect(await home.omx(['cancel', polite, stubborn])).toMatchObject({ code: 0, stderr: '' });
      expect(await waitFor(home, polite, stubborn)).toBe(1);
      for (const id of [polite, stubborn]) expect(await jobOf(home, id)).toMatchObject({ outcome: 'cancelled' });
      expect(linesOf(`${dir}/polite`)).toEqual(['ready', 'TERM']);
      expect(linesOf(`${dir}/stubborn`)[1]).toBe('TERM');
      expect(pidsOf(`${dir}/stubborn`)).toEqual([]);
    });

    test('are ended by their limits, with what they have used', async () => {
      const timed = await finish(home, [
        ...criu,
        '--time',
        '1s',
        '--grace',
        '0',
        '--',
        'sh',
        '-c',
        'while :; do :; done',
      ]);
      const job = await jobOf(home, timed);
      expect(job).toMatchObject({ outcome: 'timed-out', launcher: 'criu' });
      expect(job.user).toBeGreaterThan(0.2);
      const large = await finish(home, [...criu, '--mem', '150MiB', '--', fixture('hog'), '400', '60']);
      expect(await jobOf(home, large)).toMatchObject({ outcome: 'oom' });
    });

    test('stand still while they are paused', async () => {
      const dir = tracesOf('pause');
      const script = 'while [ ! -e "$1/go" ]; do echo x >>"$1/ticks"; sleep 0.02; done';
      const id = await submit(home, [...criu, '--', 'sh', '-c', script, '-', dir]);
      await until(() => linesOf(`${dir}/ticks`).length > 2);
      expect(await home.omx(['pause', id])).toMatchObject({ code: 0, stderr: '' });
      await until(async () => (await jobOf(home, id)).state === 'paused');
      const pids = pidsOf(dir);
      expect(pids.length).toBeGreaterThan(0);
      // A shell that has just made a process by vfork(2) waits for it in the kernel (D).
      await until(() => pids.every((pid) => / \(.*\) [TD] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))));
      open(`${dir}/go`);
      expect(await home.omx(['resume', id])).toMatchObject({ code: 0, stderr: '' });
      expect(await waitFor(home, id)).toBe(0);
    });

    test('are measured as the kernel measures them', async () => {
      const id = await finish(home, [...criu, '--', ...burner]);
      const own = [...(await logsOf(home, id)).matchAll(/(\d+)m([\d.]+)s/g)].reduce(
        (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
        0,
      );
      const { user, sys } = await jobOf(home, id);
      expect(own).toBeGreaterThan(0.4);
      expect(Math.abs(Number(user) + Number(sys) - own) / own).toBeLessThan(0.05);
      const [plain, capsule] = (await both(['--', fixture('hog'), '100'])).map(({ jobs }) => Number(jobs[0].maxRss));
      expect(Number(capsule) / Number(plain)).toBeCloseTo(1, 1);
    });

    test('are parsed and tried again', async () => {
      const script = 'head -c 100000 /dev/zero; echo; echo "answer $OMX_ATTEMPT"; [ $OMX_ATTEMPT = 2 ]';
      const args = [...criu, '--retries', '1', '--backoff', '10ms', '--parse', 'regex:answer (?<n>[0-9]+)'];
      const id = await finish(home, [...args, '--', 'sh', '-c', script]);
      expect(await jobOf(home, id)).toMatchObject({ outcome: 'succeeded', attempt: 2 });
      const { stdout, stderr } = await home.omx(['results', id, '--json']);
      expect({ stderr, answer: /"n":\s*"?2/.test(stdout) }).toEqual({ stderr: '', answer: true });
      await nothingLeft(home);
    });

    test('leave no folder, whatever they made of it', async () => {
      const script =
        'mkdir -p "$TMPDIR/a/b/c" && : >"$TMPDIR/a/b/c/$(printf "\\377x")" && ln -s / "$TMPDIR/a/b/root" && chmod 0 "$TMPDIR/a/b/c" && chmod 500 "$TMPDIR/a/b" "$TMPDIR/a" "$TMPDIR"';
      expect(await jobOf(home, await finish(home, [...criu, '--', 'sh', '-c', script]))).toMatchObject({ exitCode: 0 });
      await nothingLeft(home);
      expect(statSync('/').isDirectory()).toBe(true);
    });

    test('many at once', async () => {
      const id = await finish(home, [
        ...criu,
        '--array',
        '1-60',
        '--',
        'sh',
        '-c',
        'echo $OMX_JOB; exit $((OMX_JOB % 2))',
      ]);
      const jobs = await jobsOf(home, id);
      expect(jobs.map((job) => job.exitCode)).toEqual(Array.from({ length: 60 }, (_, at) => (at + 1) % 2));
      await nothingLeft(home);
    });

    test('outlive a killed worker and are adopted by the next, with all they used', async () => {
      const dir = tracesOf('worker');
      const command = ['sh', '-c', '"$1" "$2"; exec "$3" 200000', '-', fixture('latch'), dir, fixture('burn')];
      const id = await submit(home, [...criu, '--array', '1-2', '--', ...command]);
      await until(() => linesOf(`${dir}/started`).length === 2);
      const killed = workerPid(home, 'n1');
      await killNow(killed);
      // One ends while nobody watches.
      open(`${dir}/go.1`);
      await until(() => linesOf(`${dir}/done`).length === 1);
      await until(() => existsSync(join(home.dir, 'nodes', 'n1', 'jobs', id, '1.1', '.capsule', 'status')));
      await startNode(home, { slots: 4 });
      await until(async () => (await jobOf(home, `${id}.1`)).state === 'succeeded');
      open(`${dir}/go`);
      expect(await waitFor(home, id)).toBe(0);
      expect(linesOf(`${dir}/started`)).toHaveLength(2);
      for (const index of [1, 2]) {
        const job = await jobOf(home, `${id}.${index}`);
        expect(job).toMatchObject({ outcome: 'succeeded', attempt: 1, launcher: 'criu' });
        const output = await logsOf(home, job.id);
        expect(output).toMatch(new RegExp(`^started ${index}\ndone ${index}\n`));
        const own = [...output.matchAll(/^(\d+)m([\d.]+)s/gm)].reduce(
          (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
          0,
        );
        expect(Math.abs(Number(job.user) - own)).toBeLessThan(0.05 + own * 0.2);
      }
      await nothingLeft(home);
    });

    test('end with a killed shepherd and run again; the folder of the lost attempt goes', async () => {
      const dir = tracesOf('shepherd');
      const id = await submit(home, [...criu, '--', fixture('latch'), dir]);
      await until(async () => (await jobOf(home, id)).state === 'running');
      await until(() => linesOf(`${dir}/started`).length === 1);
      const pids = pidsOf(dir);
      expect(pids.length).toBeGreaterThan(2);
      await killNow(shepherdPid(home, 'n1'));
      await until(() => pids.every((pid) => !isAlive(pid)));
      await until(() => linesOf(`${dir}/started`).length === 2);
      expect(folderOf(join(home.dir, 'nodes', 'n1', 'jobs', id))).toEqual(['1.2']);
      open(`${dir}/go`);
      expect(await waitFor(home, id)).toBe(0);
      expect(await jobOf(home, id)).toMatchObject({ outcome: 'succeeded', attempt: 2 });
      await nothingLeft(home);
    });
  });
});

describe('auto', skipUnless('criu'), () => {
  const home = useHome({ shared: true });
  beforeAll(async () => {
    await startNode(home);
    await until(async () => (await home.omx(['nodes'])).stdout.includes('criu'));
  });

  test('takes criu where the batch asks for what only it gives', async () => {
    const id = await finish(home, ['--checkpoint-every', '1h', '--', 'true']);
    expect(await jobOf(home, id)).toMatchObject({ launcher: 'criu', outcome: 'succeeded' });
  });

  test('takes plain else, and omx why says how to have it movable', async () => {
    const dir = traces(home, 'auto');
    const id = await submit(home, ['--', fixture('latch'), dir]);
    await until(async () => (await jobOf(home, id)).state === 'running');
    expect((await home.omx(['why', `${id}.1`])).stdout).toContain(
      'launcher plain: nobody can migrate it; it stays there until it ends (auto: with --launcher criu omx could move it)',
    );
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
  });
});
