import { join } from 'node:path';
import { mkdirSync, readFileSync } from 'node:fs';
import { bytesOf, type Bytes } from '@omx/core';
import { describe, expect, test } from 'vitest';
import { readProcessStat } from '../../src/host/process.ts';
import { treeRss } from '../../src/host/process-tree.ts';
import type { StartRequest } from '../../src/shepherd/index.ts';
import {
  capsuleBinary,
  capsuleShape,
  freeze,
  goesOn,
  outlives,
  readMembers,
  readStatus,
  runArgv,
  thaw,
  type CapsuleJob,
  type Frozen,
  type Thawed,
} from '../../src/criu/index.ts';
import { isAlive, Node } from '../shepherd/kit.ts';
import { compile, newTop, programs, skip, theCriu, until } from './kit.ts';

const options = { ...skip, timeout: 60_000 };
const shape = capsuleShape();
const orderSignal = 40;
const burner = (mode: string): readonly string[] => [compile(join(programs, 'burner.c'), 'burner'), mode, '10'];
const statusOf = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'latin1');
const stopped = (pid: number): boolean => readProcessStat(pid)?.state === 'T';

/** A job of a shepherd, in a capsule. */
class Stay {
  readonly node: Node;
  readonly key: string;
  readonly folder: string;

  constructor(node: Node, key: string, folder = join(newTop(), 'job')) {
    this.node = node;
    this.key = key;
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  start(argv: readonly Bytes[], more: Partial<StartRequest> = {}): void {
    const [stdout, stderr] = ['out', 'err'].map((name) => bytesOf(join(this.folder, name)));
    const request = this.node.request(this.key, [], { killSignal: orderSignal, ...more });
    this.node.shepherd.start([{ ...request, argv, stdout: stdout ?? '', stderr: stderr ?? '' } as StartRequest]);
  }

  async run(command: readonly string[], lines = 3): Promise<this> {
    this.start(
      runArgv({
        ...{ capsule: capsuleBinary(), shape, folder: this.folder, command: command.map(bytesOf) },
        ...{ stdout: bytesOf('out'), stderr: bytesOf('err') },
      }),
    );
    await until(() => this.lines() >= lines);
    return this;
  }

  /** Its copy goes on in the same folder, under another shepherd. */
  async thaw(image: string, node: Node, key: string): Promise<{ readonly copy: Thawed; readonly stay: Stay }> {
    const stay = new Stay(node, key, this.folder);
    const copy = await thaw({
      ...{ criu: theCriu(), image, folder: this.folder, log: join(newTop(), 'log') },
      start: async ({ argv, env }) => {
        stay.start(argv, { extraEnv: env });
        const { pid } = await node.started(key);
        return { pid, ended: until(() => node.find('ended', key), { timeoutMs: 60_000 }).catch(() => undefined) };
      },
    });
    return { copy, stay };
  }

  async freeze(image: string): Promise<Frozen> {
    const frozen = await freeze({ criu: theCriu(), job: await this.job(), image });
    await frozen.seal();
    return frozen;
  }

  async job(): Promise<CapsuleJob> {
    return { pid: (await this.node.started(this.key)).pid, folder: this.folder, shape };
  }

  /** Of all its processes, pid 1 and what the shepherd started included. */
  async pids(): Promise<readonly number[]> {
    const { pid } = await this.job();
    const { init, pids } = readMembers(pid);
    return [pid, init, ...pids];
  }

  lines(): number {
    try {
      return readFileSync(join(this.folder, 'out'), 'latin1').split('\n').length - 1;
    } catch {
      return 0;
    }
  }

  async progress(): Promise<void> {
    const before = this.lines();
    await until(() => this.lines() > before + 1);
  }

  end(reason: 'cancel' | 'fenced', graceMs = 0) {
    this.node.shepherd.end(this.key, reason, graceMs);
    return this.node.ended(this.key);
  }
}

describe('killed, its usage is counted', () => {
  test.each([
    ['at once', 'deaf', 0],
    ['with all its children', 'fork', 0],
    ['after a grace that it does not use', 'deaf', 100],
  ])('%s', async (_, mode, graceMs) => {
    const stay = await new Stay(await Node.open(), 'job').run(burner(mode), 5);
    const pids = await stay.pids();
    const ended = await stay.end('cancel', graceMs);
    expect(ended).toMatchObject({ signal: 9, reason: 'cancel', oomKilled: false });
    const status = readStatus(stay.folder);
    expect(status?.signal).toBe(9);
    // A line is a hundredth of ten seconds, or of the share of a child.
    expect(ended.usage.userUs).toBeGreaterThan(100_000);
    expect(ended.usage.userUs).toBeGreaterThanOrEqual(status?.usage.userUs ?? Infinity);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test('also where it is paused, and nothing of it runs again for that', async () => {
    const stay = await new Stay(await Node.open(), 'job').run(burner('deaf'), 5);
    const pids = await stay.pids();
    stay.node.shepherd.pause('job');
    await until(() => pids.every(stopped));
    const before = stay.lines();
    const ended = await stay.end('cancel');
    expect(ended.usage.userUs).toBeGreaterThan(300_000);
    expect(stay.lines()).toBe(before);
    expect(readStatus(stay.folder)?.signal).toBe(9);
  });

  test('also where the pause was asked for in the same moment', async () => {
    const stay = await new Stay(await Node.open(), 'job').run(burner('deaf'), 5);
    stay.node.shepherd.pause('job');
    expect((await stay.end('cancel')).usage.userUs).toBeGreaterThan(300_000);
  });

  test('also where it was thawed', options, async () => {
    const stay = await new Stay(await Node.open(), 'job').run(burner('fork'), 5);
    const image = join(newTop(), 'image');
    const frozen = await stay.freeze(image);
    const { copy, stay: next } = await stay.thaw(image, await Node.open(), 'copy');
    await frozen.end();
    await copy.go();
    for (let i = 0; i < 3; i++) await next.progress();
    const pids = await next.pids();
    await next.end('cancel');
    expect(readStatus(next.folder)?.usage.userUs).toBeGreaterThan(100_000);
    expect(pids.filter(isAlive)).toEqual([]);
  });
});

describe('a main process that does not obey its killSignal', () => {
  const deaf = async (node: Node): Promise<void> => {
    node.sh('job', 'trap "" USR1 TERM; echo ready > ready; while :; do sleep 0.01; done', { killSignal: 10 });
    await node.line('ready');
  };

  test('is killed all the same', async () => {
    const node = await Node.open();
    await deaf(node);
    const begin = performance.now();
    node.shepherd.end('job', 'cancel', 0);
    expect(await node.ended('job')).toMatchObject({ signal: 9, reason: 'cancel', oomKilled: false });
    expect(performance.now() - begin).toBeGreaterThan(2500);
    await node.nothingLeft();
  });

  test.each([
    ['its job is another’s by now', (node: Node) => node.shepherd.end('job', 'fenced', 0)],
    ['the lease is over', (node: Node) => node.lease(-1, 'stop')],
    [
      'the lease ends while it is asked',
      (node: Node) => {
        node.shepherd.end('job', 'cancel', 0);
        node.lease(-1, 'stop');
      },
    ],
    [
      'the lease ends during its grace',
      (node: Node) => {
        node.shepherd.end('job', 'cancel', 60_000);
        node.lease(-1, 'pause');
      },
    ],
  ])('is killed at once where %s', async (_, act) => {
    const node = await Node.open();
    await deaf(node);
    const begin = performance.now();
    act(node);
    expect(await node.ended('job')).toMatchObject({ signal: 9 });
    expect(performance.now() - begin).toBeLessThan(2000);
  });
});

/** A pipeline in sessions of its own, what has left its parents, and something without any environment. */
const scattered = `
  setsid sleep 1000 &
  (setsid sh -c '(setsid sleep 1000 &)' &)
  setsid env -i sleep 1000 &
  (exec sleep 1000 | exec cat) &
  i=0; while :; do i=$((i + 1)); [ $((i % 10000)) = 0 ] && echo $i; done`;

async function scatter(): Promise<Stay> {
  const stay = await new Stay(await Node.open(), 'job').run(['sh', '-c', scattered]);
  // The shell's helpers are gone.
  const isDone = async (): Promise<boolean> =>
    (await stay.pids()).filter((pid) => ['sleep', 'cat'].includes(readProcessStat(pid)?.comm ?? '')).length === 5 &&
    (await stay.pids()).length === 10;
  await until(isDone);
  return stay;
}

test(
  'a job that is frozen while the lease runs out stands still when it is let go on, until there is a new lease',
  options,
  async () => {
    const stay = await new Stay(await Node.open(), 'job').run(burner('loop'));
    const { node } = stay;
    const frozen = await stay.freeze(join(newTop(), 'image'));
    const before = node.shepherd.suspensions;
    await node.leased(-1000, 'pause');
    expect(node.shepherd).toMatchObject({ suspended: true, suspensions: before + 1 });
    const members = readMembers((await stay.job()).pid);
    // criu holds them, and the signal waits with each.
    const pending = (pid: number): boolean => /^(Sig|Shd)Pnd:\s+[0-9a-f]*[4-7c-f][0-9a-f]{4}$/m.test(statusOf(pid));
    await until(() => members.pids.every(pending));
    expect(frozen.isHeld).toBe(true);
    await frozen.keepGoing();
    await until(() => members.pids.every(stopped), { timeoutMs: 5000 });
    expect(await goesOn((await stay.job()).pid, 50)).toBe(false);
    await node.leased(60_000, 'pause');
    expect(await goesOn((await stay.job()).pid, 5000)).toBe(true);
    await stay.progress();
  },
);

test('whether an original outlives its worker is seen when criu has decided', options, async () => {
  const stay = await new Stay(await Node.open(), 'job').run(burner('loop'));
  const pid = (await stay.job()).pid;
  const kept = await stay.freeze(join(newTop(), 'image'));
  const isKept = outlives(pid);
  await kept.keepGoing();
  expect(await isKept).toBe(true);
  await stay.progress();
  const ended = await stay.freeze(join(newTop(), 'image'));
  const isEnded = outlives(pid);
  await ended.end();
  expect(await isEnded).toBe(false);
});

test(
  'every process of a capsule, and of a thawed one, is found: to be paused, counted and ended',
  options,
  async () => {
    const stay = await scatter();
    const all = async (at: Stay): Promise<void> => {
      const { shepherd } = at.node;
      const pids = await at.pids();
      shepherd.pause(at.key);
      await until(() => pids.every(stopped), { timeoutMs: 5000 });
      shepherd.resume(at.key);
      await until(() => !pids.some(stopped), { timeoutMs: 5000 });
      await at.progress();
      at.node.lease(-1, 'pause');
      await until(() => pids.every((pid) => stopped(pid) || !isAlive(pid)), { timeoutMs: 5000 });
      await at.node.leased(60_000, 'pause');
      await at.progress();
    };
    await all(stay);
    const image = join(newTop(), 'image');
    const frozen = await stay.freeze(image);
    const { copy, stay: next } = await stay.thaw(image, await Node.open(), 'copy');
    await frozen.end();
    await copy.go();
    expect(await stay.node.ended('job')).toMatchObject({ signal: 9 });
    await next.progress();
    expect((await next.pids()).length).toBe(10);
    await all(next);
    const pids = await next.pids();
    await next.end('cancel');
    expect(pids.filter(isAlive)).toEqual([]);
  },
);

test('the memory of a capsule, and of a thawed one, is counted', options, async () => {
  const stay = await new Stay(await Node.open(), 'job').run(burner('memory'));
  const rss = async (at: Stay): Promise<number> => treeRss((await at.job()).pid) / 2 ** 20;
  expect(await rss(stay)).toBeGreaterThan(64);
  expect(await rss(stay)).toBeLessThan(80);
  const image = join(newTop(), 'image');
  const frozen = await stay.freeze(image);
  const { copy, stay: next } = await stay.thaw(image, await Node.open(), 'copy');
  await frozen.end();
  await copy.go();
  await next.progress();
  expect(await rss(next)).toBeGreaterThan(64);
  expect(await rss(next)).toBeLessThan(90);
  await next.end('cancel');
});

describe('two shepherds of one machine: the copy still has the token of the one where it was', () => {
  const moved = async () => {
    const stay = await scatter();
    const image = join(newTop(), 'image');
    await stay.freeze(image);
    const { copy, stay: next } = await stay.thaw(image, await Node.open(), 'copy');
    const pids = await next.pids();
    const goesOn = async (): Promise<void> => {
      expect(pids.filter((pid) => !isAlive(pid))).toEqual([]);
      await copy.go();
      await next.progress();
      await next.end('cancel');
      expect(pids.filter(isAlive)).toEqual([]);
    };
    return { stay, goesOn };
  };

  test('what the first kills leaves the copy alone', options, async () => {
    const { stay, goesOn } = await moved();
    await stay.end('fenced');
    await goesOn();
  });

  test('and what it finds lost after its own death', options, async () => {
    const { stay, goesOn } = await moved();
    process.kill(stay.node.shepherd.pid, 'SIGKILL');
    await until(() => stay.node.closed);
    await stay.node.connect();
    expect(await stay.node.ended('job')).toMatchObject({ lost: true });
    await goesOn();
  });
});
