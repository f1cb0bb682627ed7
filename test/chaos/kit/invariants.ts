import { expect } from 'vitest';

import { living } from '../../kit/cluster/living.ts';
import { until } from '../../kit/until.ts';
import { accountOf, type Expected, falseEntries, outputsKept } from './account.ts';
import type { Ground } from './ground.ts';
import { allKeys, leakedFiles, leakedKeys } from './leaks.ts';
import { misdeeds } from './trace.ts';

export interface Bounds extends Expected {
  /** How long the batch may take to end from now on. @defaultValue a minute */
  readonly endMs?: number;
  /** See `misdeeds`. */
  readonly wakingMs?: number;
}

/**
 * Waits for the end of the batch and of all workers, and holds whatever happened against what must always be true: each
 * job has one outcome, attempts come one after the other, no two processes of one job live at a time, nothing that was
 * started is left, nor a key, nor a file.
 */
export async function holds(ground: Ground, id: string, { endMs = 60_000, ...bounds }: Bounds = {}): Promise<void> {
  await endOf(ground, id, endMs);
  const account = await accountOf(ground, id);
  none('what the queue says is not so', falseEntries(account, ground.trace(), bounds));
  // A child that has left the session may take its end a moment later than the news of the job's.
  await until(() => living(ground.shared, id), { is: (left) => left.length === 0, timeoutMs: 5000 });
  await chunksAreDone(ground);
  await allLeave(ground);
  none('what ran is not as it must be', misdeeds(ground.trace(), bounds));
  none('keys are left', leakedKeys(await allKeys(ground.redis)));
  none(
    'files are left',
    ground.nodes.flatMap(({ dir }) => leakedFiles(dir, outputsKept(account))),
  );
}

/**
 * A chunk that was taken by somebody who died, or whose lock ran out, is offered again after at most two looks of BullMQ,
 * and then found to be done with. What is left after that is found with the other keys.
 */
async function chunksAreDone({ redis }: Ground): Promise<void> {
  const chunks = async (): Promise<string[]> =>
    leakedKeys(await allKeys(redis)).filter((key) => key.startsWith('{omx:q:'));
  await until(chunks, { is: (left) => left.length === 0, timeoutMs: 75_000 }).catch(() => undefined);
}

export async function allLeave({ nodes }: Ground): Promise<void> {
  await Promise.all(nodes.map(async (node) => node.leave()));
}

/** As an error that names them all. */
function none(what: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new Error([`${what}:`, ...problems].join('\n  '));
}

async function endOf(ground: Ground, id: string, endMs: number): Promise<void> {
  const wait = await ground.omx(['wait', '-q', id, '--timeout', `${endMs}ms`], { timeoutMs: endMs + 20_000 });
  expect([0, 1], `omx wait ${id} ended with ${wait.code}: ${wait.stderr}`).toContain(wait.code);
}

/** All that may explain a failure. */
export async function report(ground: Ground, id = 'last'): Promise<string> {
  const said = await Promise.allSettled(
    [['jobs', id], ['why', id], ['nodes'], ['events']].map(async (args) => {
      const { stdout, stderr } = await ground.omx(args, { timeoutMs: 10_000 });
      return `$ omx ${args.join(' ')}\n${stdout}${stderr}`;
    }),
  );
  const alive = living(ground.shared, id).map((each) => JSON.stringify(each));
  const ran = ground.trace().filter((line) => /^(start|end)/.test(line));
  return [
    ...said.map((each) => (each.status === 'fulfilled' ? each.value : String(each.reason))),
    `alive:\n${alive.join('\n')}`,
    `begun and ended:\n${ran.join('\n')}`,
    ...ground.nodes.map(({ name, log }) => `log of ${name}:\n${log().slice(-6000)}`),
  ].join('\n');
}
