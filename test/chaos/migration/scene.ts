import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EventLog } from '@omx/queue';
import { expect } from 'vitest';

import { jobOf, jobsOf, logsOf, open, submit } from '../../kit/batches.ts';
import { root } from '../../kit/open-home.ts';
import { imagesInMemory } from '../../kit/images-in-memory.ts';
import { criuReady } from '../../kit/cluster/criu-ready.ts';
import { living } from '../../kit/cluster/living.ts';
import { until } from '../../kit/until.ts';
import { type Ground, type GroundNode, leaseMs } from '../kit/ground.ts';
import { allLeave } from '../kit/invariants.ts';
import { allKeys, leakedFiles, leakedKeys } from '../kit/leaks.ts';
import { isWhole, miscounts } from './counted.ts';
import { deathsBy, type Trouble, wakingsAfter } from './faults.ts';
import { recordOf, type Way } from './moments.ts';

/** How long a balancer's seat lasts after its holder is gone. */
const seatMs = 10_000;

const source = join(root, 'test/fixtures/migration/count.c');
let built: string | undefined;
process.once('exit', () => {
  if (built !== undefined) rmSync(built, { recursive: true, force: true });
});

function counter(): string {
  built ??= mkdtempSync('/tmp/omx-count-');
  const program = join(built, 'count');
  if (!existsSync(program)) execFileSync('cc', ['-O1', '-o', program, source]);
  return program;
}

/**
 * Starts both nodes and a job that counts, on the first of them.
 * @param prepare what is done to each node once its worker is there; to the first before the job is started
 * @param more arguments of its submit
 * @returns its way to the other one
 */
export async function begin(
  ground: Ground,
  mib: number,
  prepare: (node: GroundNode) => Promise<void> = async () => {},
  more: readonly string[] = [],
): Promise<Way> {
  const [one, two] = ground.nodes as readonly [GroundNode, GroundNode];
  await one.start();
  await prepare(one);
  const env = ['--env', `TRACES=${ground.shared}`];
  const args = ['--launcher', 'criu', '--balance', 'off', '--retries', '0', ...env, ...more];
  const program = counter();
  const id = await submit(ground, [...args, '--', program, ground.shared, String(mib)]);
  await counts(ground);
  await two.start();
  await prepare(two);
  await criuReady(ground, one.name, two.name);
  return { id, source: one, target: two, program };
}

/** `omx migrate`, under way. */
export interface Migrating {
  readonly hasEnded: () => boolean;
  /** Resolves whatever it said. @throws Error where it does not end */
  readonly ended: Promise<unknown>;
}

/** Asks for the move. It may be refused, carried out, or neither: what counts is the job. */
export function migrating(ground: Ground, { id, target }: Way): Migrating {
  let hasEnded = false;
  const { ended } = ground.omxSpawn(['migrate', id, '--to', target.name], { timeoutMs: 90_000 });
  const done = (): void => void (hasEnded = true);
  // Whoever waits for it sees why it failed; until then it is no unhandled one.
  ended.then(done, done);
  return { hasEnded: () => hasEnded, ended };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

/** Waits until the job counts on. */
export async function counts(ground: Ground): Promise<void> {
  const before = ground.trace().length;
  await until(() => ground.trace().length >= before + 3, { timeoutMs: 45_000 });
}

/** The way from where the job is now to the other node. */
export async function wayOn(ground: Ground, { id, program }: Way): Promise<Way> {
  const { node } = await recordOf(ground, id);
  const [one, two] = ground.nodes as readonly [GroundNode, GroundNode];
  const [source, target] = node === two.name ? [two, one] : [one, two];
  return { id, program, source, target };
}

/**
 * So often nodes were given up, and their jobs with them: a node that was cut off or stopped for long, or whose next worker
 * came late.
 */
async function losses({ redis }: Ground): Promise<number> {
  return (await new EventLog(redis).read()).events.filter(({ type }) => type === 'node-lost').length;
}

/**
 * Waits for the end of the job and of all workers, and holds whatever happened against what must always be true: the job
 * has one outcome, no step was done twice at a time or left out, every line of its output is there once, and nothing is left.
 * @param troubles all that has happened to it
 */
export async function countedWell(ground: Ground, { id }: Way, troubles: readonly Trouble[]): Promise<void> {
  await counts(ground);
  open(`${ground.shared}/open`);
  const wait = await ground.omx(['wait', '-q', id, '--timeout', '60s'], { timeoutMs: 80_000 });
  expect(wait.code, `omx wait: ${wait.stderr}`).toBe(0);
  const restarts = sumOf(troubles.map(deathsBy)) + (await losses(ground));
  expect(miscounts(ground.trace(), restarts, sumOf(troubles.map(wakingsAfter)))).toEqual([]);
  expect(await jobsOf(ground, id)).toMatchObject([{ state: 'succeeded', outcome: 'succeeded', exitCode: 0 }]);
  const { attempt } = await jobOf(ground, id);
  expect(attempt).toBeLessThanOrEqual(1 + restarts);
  const output = await logsOf(ground, id);
  expect(isWhole(output), output).toBe(true);
  await until(() => living(ground.shared, id), { is: (left) => left.length === 0, timeoutMs: 10_000 });
  await allLeave(ground);
  await nothingIsLeft(ground);
}

/** All workers have left. */
export async function nothingIsLeft(ground: Ground): Promise<void> {
  // Chunks are offered again by looks that take longer than this; other tests see to them.
  const leaked = async (): Promise<string[]> =>
    leakedKeys(await allKeys(ground.redis)).filter((key) => !key.startsWith('{omx:q:'));
  // What was under way to the queue when a network was cut comes late: a lease, or the balancer's seat, which run out.
  await until(leaked, { is: (keys) => keys.length === 0, timeoutMs: Math.max(leaseMs, seatMs) + 2000 });
  expect(ground.nodes.flatMap(({ dir }) => [...leakedFiles(dir), ...imagesInMemory(dir)])).toEqual([]);
}
