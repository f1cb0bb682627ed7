import { existsSync, readFileSync } from 'node:fs';
import { type BatchId, ExitCode } from '@omx/core';
import { BatchStore, JobStore } from '@omx/queue';
import { expect } from 'vitest';

import { isAlive, open } from '../../kit/batches.ts';
import { living } from '../../kit/cluster/living.ts';
import { fixture } from '../../kit/ran.ts';
import { until } from '../../kit/until.ts';
import type { Ground, GroundNode } from './ground.ts';
import { holds } from './invariants.ts';
import { type Blow, elapsed, type Signal, strike, type Victim } from './strike.ts';
import { type Execution, executions } from './trace.ts';

/**
 * When somebody dies, seen from a job that the struck node has, or would have:
 * - `before start`: its batch is in the queue and held; it is let go while the victim is away. A submitter: nothing of the
 *   batch has been sent.
 * - `at start`: the node has it by the queue's record, the worker has asked the shepherd to start it, and the shepherd,
 *   standing still, has not.
 * - `running`: it computes.
 * - `at end`: its process has ended, and the shepherd, standing still, has not seen it.
 * - `while reporting`: the shepherd has seen the end and told the worker, and the queue, standing still, has not answered.
 */
export const moments = ['before start', 'at start', 'running', 'at end', 'while reporting'] as const;
export type Moment = (typeof moments)[number];

export interface Case {
  readonly victim: Victim;
  readonly moment: Moment;
  readonly signal: Signal;
}

/** More than there are slots, so that one waits. */
const jobs = 3;

/** Plays the case on nodes of one slot each. @returns the batch */
export async function play(ground: Ground, each: Case): Promise<string> {
  const [node] = ground.nodes;
  if (node === undefined) throw new Error('there is no node');
  await Promise.all(ground.nodes.map(async (every) => every.start()));
  const steps = {
    'before start': beforeStart,
    'at start': atStart,
    running,
    'at end': atEnd,
    'while reporting': reporting,
  };
  const id = await steps[each.moment](ground, node, each);
  open(`${ground.shared}/open`);
  return id;
}

/** Held against everything that must be true; a machine that wakes runs on for a moment. */
export async function playAndHold(ground: Ground, each: Case, said: (id: string) => void): Promise<void> {
  const id = await play(ground, each);
  said(id);
  if (id === '') return;
  await holds(ground, id, each.victim === 'node' && each.signal === 'SIGSTOP' ? { wakingMs: 500 } : {});
}

async function beforeStart(ground: Ground, node: GroundNode, { victim, signal }: Case): Promise<string> {
  if (victim === 'submitter') return submitterBeforeStart(ground, signal);
  const id = await submit(ground, ['--hold']);
  const blown = await strike(ground, { victim, signal, node });
  // A server that does not answer is waited for; where there is none, the command says so and is given again.
  const released = ground.omx(['release', id]);
  if (victim === 'redis' && signal === 'SIGKILL') expect((await released).code).toBe(ExitCode.unreachable);
  await blown.mend();
  const { code } = victim === 'redis' && signal === 'SIGKILL' ? await ground.omx(['release', id]) : await released;
  expect(code).toBe(0);
  return id;
}

/** Struck before it has sent anything, it has submitted nothing; one that goes on later submits all. */
async function submitterBeforeStart(ground: Ground, signal: Signal): Promise<string> {
  const through = ['sh', '-c', 'kill -STOP $$; exec "$@"', '-'];
  const submitter = ground.omxSpawn(['submit', '-q', ...batch(ground)], { through });
  await until(() => isStopped(submitter.pid));
  if (signal === 'SIGKILL') {
    submitter.kill('SIGKILL');
    await submitter.ended;
    expect((await ground.omx(['status', '--json'])).stdout.trim()).toMatch(/^(\[\])?$/);
    return submit(ground);
  }
  await elapsed(1000);
  submitter.kill('SIGCONT');
  const { code, stdout } = await submitter.ended;
  expect(code).toBe(0);
  return stdout.trim();
}

async function atStart(ground: Ground, node: GroundNode, each: Case): Promise<string> {
  const shepherd = node.shepherdPid();
  process.kill(shepherd, 'SIGSTOP');
  const { id, pid } = await begin(ground, each);
  await until(async () => (await leasedBy(ground, id)).has(node.name), { timeoutMs: 20_000 });
  const blown = await strike(ground, blow(each, node, pid));
  if (each.victim !== 'shepherd') awaken(shepherd);
  await blown.mend();
  return id;
}

async function running(ground: Ground, node: GroundNode, each: Case): Promise<string> {
  const { id, pid } = await begin(ground, each);
  await jobOn(ground, node);
  const blown = await strike(ground, blow(each, node, pid));
  await blown.mend();
  return id;
}

async function atEnd(ground: Ground, node: GroundNode, each: Case): Promise<string> {
  const { id, pid } = await begin(ground, each);
  const job = await jobOn(ground, node);
  const shepherd = node.shepherdPid();
  process.kill(shepherd, 'SIGSTOP');
  await endJob(ground, job);
  const blown = await strike(ground, blow(each, node, pid));
  if (each.victim !== 'shepherd' && !(each.victim === 'node' && each.signal === 'SIGSTOP')) awaken(shepherd);
  await blown.mend();
  return id;
}

async function reporting(ground: Ground, node: GroundNode, each: Case): Promise<string> {
  const { id, pid } = await begin(ground, each);
  const job = await jobOn(ground, node);
  const main = processOf(ground, job);
  ground.server.stop();
  await endJob(ground, job);
  await until(() => !existsSync(`/proc/${main}`));
  // The worker hears of it in no time, and has sent it on a few milliseconds later.
  await elapsed(50);
  const blown = await strike(ground, blow(each, node, pid));
  if (each.victim !== 'redis') ground.server.cont();
  await blown.mend();
  return id;
}

function batch(ground: Ground): string[] {
  const command = [fixture('witness'), ground.shared, 'gate'];
  // What is charged to a job that has no retry ends it.
  return ['--retries', '0', '--array', `1-${jobs}`, '--env', `TRACES=${ground.shared}`, '--', ...command];
}

async function submit(ground: Ground, args: readonly string[] = []): Promise<string> {
  const { code, stdout, stderr } = await ground.omx(['submit', '-q', ...args, ...batch(ground)]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trim();
}

interface Begun {
  readonly id: string;
  /** The process of the submitter, where it is to die; it waits for its batch. */
  readonly pid: number | undefined;
}

async function begin(ground: Ground, { victim }: Case): Promise<Begun> {
  if (victim !== 'submitter') return { id: await submit(ground), pid: undefined };
  const { pid } = ground.omxSpawn(['run', ...batch(ground)]);
  const [id] = await until(async () => new BatchStore(ground.redis).newest(1), { is: (found) => found.length > 0 });
  return { id: String(id), pid };
}

function blow({ victim, signal }: Case, node: GroundNode, submitter: number | undefined): Blow {
  return { victim, signal, node, ...(submitter === undefined ? {} : { submitter }) };
}

/** Nodes that hold a job they have not started, as the queue has it. */
async function leasedBy(ground: Ground, id: string): Promise<Set<string>> {
  const batches = new BatchStore(ground.redis);
  const batch = await batches.load(id as BatchId);
  const names = await batches.nodeNames(batch.id);
  const found = await new JobStore(batches).read(
    batch,
    Array.from({ length: batch.total }, (_, at) => at),
  );
  return new Set(found.flatMap(({ job }) => (job.status === 'leased' ? [names.get(job.node) ?? ''] : [])));
}

async function jobOn(ground: Ground, node: GroundNode): Promise<Execution> {
  return until(() => executions(ground.trace()).find((run) => run.node === node.name), { timeoutMs: 20_000 });
}

/** Lets the job come to its end; nobody may have noticed yet. */
async function endJob(ground: Ground, { job, attempt }: Execution): Promise<void> {
  open(`${ground.shared}/open.${job.split('.')[1]}`);
  const ended = (run: Execution): boolean => run.job === job && run.attempt === attempt && run.ended;
  await until(() => executions(ground.trace()).some(ended));
  const main = mainOf(ground, job, attempt);
  if (main !== undefined) await until(() => !isAlive(main));
}

function processOf(ground: Ground, { job, attempt }: Execution): number {
  const pid = mainOf(ground, job, attempt);
  if (pid === undefined) throw new Error(`there is no process of ${job}#${attempt}`);
  return pid;
}

/** By its number outside of its machine. */
function mainOf({ shared }: Ground, job: string, attempt: number): number | undefined {
  const [id = ''] = job.split('.');
  return living(shared, id).find((each) => each.attempt === `${job}#${attempt}` && each.args.at(-1) !== 'child')?.pid;
}

function isStopped(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

function awaken(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It has died with its node.
  }
}
