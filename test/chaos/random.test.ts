import { BatchStore } from '@omx/queue';
import { describe, expect, test } from 'vitest';

import { needs } from '../kit/needs.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';
import type { Ground } from './kit/ground.ts';
import { allLeave, holds } from './kit/invariants.ts';
import { describePlan, type Plan, planOf } from './kit/plan.ts';
import { onGround } from './kit/played.ts';
import { elapsed, strike } from './kit/strike.ts';

const seconds = Number(process.env['OMX_CHAOS_SECONDS'] ?? 0);
const firstSeed = Number(process.env['OMX_CHAOS_SEED'] ?? Date.now() % 1_000_000);
/** What a round may take that begins just before the time is over. */
const roundMs = 150_000;

async function playRound(ground: Ground, plan: Plan, said: (id: string) => void): Promise<void> {
  await Promise.all(ground.nodes.map(async (node) => node.start()));
  const command = [fixture('witness'), ground.shared, '{}', 'flaky', ':::', ...plan.jobs.map(String)];
  const submitter = ground.omxSpawn([
    'submit',
    '--quiet',
    '--progress',
    '--wait',
    '--retries',
    '1',
    '--env',
    `TRACES=${ground.shared}`,
    '--',
    ...command,
  ]);
  // In some rounds whoever submits dies before it has.
  if (plan.blows[0]?.victim !== 'submitter') await until(async () => submitted(ground), { timeoutMs: 30_000 });
  for (const { atMs, victim, signal, node: number, lastsMs } of plan.blows) {
    await elapsed(atMs);
    const node = ground.nodes[number];
    if (node === undefined) throw new Error(`there is no node ${number}`);
    const blown = await strike(ground, { victim, signal, node, submitter: submitter.pid });
    await blown.mend(lastsMs === undefined ? {} : { afterMs: lastsMs });
  }
  const id = await submitted(ground);
  // Its submitter was killed before it had sent anything.
  if (id === undefined) return allLeave(ground);
  said(id);
  const wakes = plan.blows.some(({ victim, signal }) => victim === 'node' && signal === 'SIGSTOP');
  await holds(ground, id, { flaky: true, wakingMs: wakes ? 500 : 0 });
}

async function submitted({ redis }: Ground): Promise<string | undefined> {
  const [id, ...others] = await new BatchStore(redis).newest(2);
  expect(others).toEqual([]);
  return id;
}

describe.concurrent('whatever happens', () => {
  // Two rounds in `npm test`; in a long run as many as there is time for, three at a time.
  const lanes = seconds > 0 ? 3 : 2;
  for (let lane = 0; lane < lanes; lane += 1) {
    test(`random rounds from seed ${firstSeed + lane}`, { timeout: seconds * 1000 + 2 * roundMs }, async (ctx) => {
      const reason = needs('bash');
      if (reason !== undefined) ctx.skip(reason);
      const end = performance.now() + seconds * 1000;
      for (let seed = firstSeed + lane; ; seed += lanes) {
        const plan = planOf(seed, needs('netns') === undefined);
        console.log(describePlan(plan));
        await onGround(plan, async (ground, said) => playRound(ground, plan, said)).catch((error: unknown) => {
          const again = `OMX_CHAOS_SEED=${seed} npx vitest run --project chaos test/chaos/random.test.ts`;
          throw new Error(`${describePlan(plan)}\nto repeat it: ${again}\n${String(error)}`, { cause: error });
        });
        if (performance.now() >= end) break;
      }
    });
  }
});
