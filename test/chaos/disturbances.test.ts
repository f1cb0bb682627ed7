import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, type TestContext, test } from 'vitest';

import { submit as submitTo } from '../kit/batches.ts';
import { needs, type Tool } from '../kit/needs.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';
import type { Ground, GroundNode } from './kit/ground.ts';
import { holds } from './kit/invariants.ts';
import { onGround } from './kit/played.ts';
import { steppedClock } from './kit/stepped-clock.ts';
import { elapsed } from './kit/strike.ts';
import { executions } from './kit/trace.ts';

const machine = { kind: 'machine', nodes: 2, slots: 2 } as const;
const cluster = { kind: 'cluster', nodes: 2, slots: 2 } as const;
const durations = ['100', '300', '1000', '2000'];
const hour = 3600;

function require(ctx: TestContext, ...tools: Tool[]): void {
  const reason = needs('bash', ...tools);
  if (reason !== undefined) ctx.skip(reason);
}

/** Sixteen jobs of 0.1 to 2 s, some seconds for two nodes. */
async function submit(ground: Ground): Promise<string> {
  const values = durations.flatMap((duration) => [duration, duration, duration, duration]);
  const command = [fixture('witness'), ground.shared, '{}', 'flaky', ':::', ...values];
  return submitTo(ground, ['--retries', '1', '--env', `TRACES=${ground.shared}`, '--', ...command]);
}

function first(ground: Ground): GroundNode {
  const [node] = ground.nodes;
  if (node === undefined) throw new Error('there is no node');
  return node;
}

async function startAll(ground: Ground): Promise<void> {
  await Promise.all(ground.nodes.map(async (node) => node.start()));
}

/** Waits until the node has begun so many more jobs than it had. */
async function begins(ground: Ground, { name }: GroundNode, more = 1): Promise<void> {
  const count = (): number => executions(ground.trace()).filter((run) => run.node === name).length;
  const before = count();
  await until(() => count() >= before + more, { timeoutMs: 30_000 });
}

describe.concurrent('whatever is missing', () => {
  test('a full disk', async (ctx) => {
    require(ctx, 'root');
    await onGround(machine, async (ground, said) => {
      const node = first(ground);
      mkdirSync(node.dir, { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'omx-chaos', node.dir]);
      try {
        await startAll(ground);
        const id = await submit(ground);
        said(id);
        await begins(ground, node);
        const filler = `${node.dir}/filler`;
        expect(() => writeFileSync(filler, Buffer.alloc(2 ** 20))).toThrow(/ENOSPC/);
        await elapsed(3000);
        rmSync(filler);
        await holds(ground, id, { flaky: true, diskWasFull: true });
      } finally {
        execFileSync('umount', ['-l', node.dir]);
      }
    });
  });

  for (const who of ['worker', 'shepherd'] as const) {
    test(`no file can be opened by the ${who}`, async (ctx) => {
      require(ctx);
      await onGround(machine, async (ground, said) => {
        await startAll(ground);
        const node = first(ground);
        const id = await submit(ground);
        said(id);
        await begins(ground, node);
        const pid = who === 'worker' ? node.workerPid() : node.shepherdPid();
        const before = execFileSync('prlimit', ['--pid', String(pid), '--nofile', '-o', 'SOFT', '--noheadings'], {
          encoding: 'utf8',
        }).trim();
        const used = Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number)) + 1;
        const limit = (soft: string): Buffer => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
        limit(String(used));
        await elapsed(3000);
        // It may have been given up meanwhile.
        try {
          limit(before);
        } catch {
          expect(pid).not.toBe(who === 'worker' ? node.workerPid() : node.shepherdPid());
        }
        await holds(ground, id, { flaky: true, diskWasFull: true });
      });
    });
  }
});

describe.concurrent('whenever it is', () => {
  const clockFor = (ctx: TestContext, name: string): ReturnType<typeof steppedClock> => {
    const dir = mkdtempSync('/tmp/omx-clock-');
    ctx.onTestFinished(() => rmSync(dir, { recursive: true }));
    return steppedClock(dir, name);
  };

  test('the clock of a node is set an hour on and an hour back', async (ctx) => {
    require(ctx);
    const clock = clockFor(ctx, 'worker');
    await onGround(machine, async (ground, said) => {
      const [node, ...others] = ground.nodes;
      await Promise.all([node?.start({ env: clock.env }), ...others.map(async (other) => other.start())]);
      const id = await submit(ground);
      said(id);
      await begins(ground, first(ground));
      clock.set(hour);
      await begins(ground, first(ground), 2);
      clock.set(-hour);
      await holds(ground, id, { flaky: true, clockWasSet: true });
    });
  });

  test('the clock of the queue is set an hour on: every lease in it runs out', async (ctx) => {
    require(ctx);
    const clock = clockFor(ctx, 'server');
    await onGround({ ...machine, serverEnv: clock.env }, async (ground, said) => {
      await startAll(ground);
      const id = await submit(ground);
      said(id);
      await begins(ground, first(ground));
      clock.set(hour);
      await holds(ground, id, { flaky: true });
      // Nobody had to be rescued.
      expect((await ground.omx(['events'])).stdout).not.toContain('node-lost');
    });
  });
});

describe.concurrent('however packets travel', () => {
  test('a quarter of them is lost', async (ctx) => {
    require(ctx, 'netns');
    await onGround(cluster, async (ground, said) => {
      await startAll(ground);
      await first(ground).net?.lossy(0.25);
      const id = await submit(ground);
      said(id);
      await holds(ground, id, { flaky: true, endMs: 90_000 });
    });
  });

  test('they come late', async (ctx) => {
    require(ctx, 'netns');
    await onGround(cluster, async (ground, said) => {
      const [far, near] = ground.nodes;
      const url = await ground.farServer?.(300);
      await Promise.all([far?.start({ args: ['--redis', String(url)] }), near?.start()]);
      const id = await submit(ground);
      said(id);
      await holds(ground, id, { flaky: true, endMs: 90_000 });
    });
  });

  test('a link comes and goes', async (ctx) => {
    require(ctx, 'netns');
    await onGround(cluster, async (ground, said) => {
      await startAll(ground);
      const id = await submit(ground);
      said(id);
      const { net } = first(ground);
      for (const ms of [1000, 5500]) {
        await begins(ground, first(ground));
        await net?.cut();
        await elapsed(ms);
        await net?.join();
      }
      await holds(ground, id, { flaky: true, endMs: 90_000 });
    });
  });
});
