import { describe, test } from 'vitest';

import { needs } from '../../kit/needs.ts';
import type { Ground } from '../kit/ground.ts';
import { onGround } from '../kit/played.ts';
import { elapsed } from '../kit/strike.ts';
import { noSmallDisks, smallDisks, suffer, type Trouble } from './faults.ts';
import { reached } from './moments.ts';
import { describeRound, type Round, roundOf } from './rounds.ts';
import { begin, counts, countedWell, migrating, wayOn } from './scene.ts';

const count = Number(process.env['OMX_MIGRATION_ROUNDS'] ?? 2);
const firstSeed = Number(process.env['OMX_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const roundMs = 150_000;

async function play(ground: Ground, { mib, moves }: Round, said: (id: string) => void): Promise<void> {
  const isFilled = moves.some(({ trouble }) => trouble.fault.endsWith(' disk'));
  let way = await begin(ground, mib, isFilled ? smallDisks : undefined);
  said(way.id);
  const troubles: Trouble[] = [];
  for (const { at, trouble } of moves) {
    const moving = migrating(ground, way);
    if (typeof at === 'number') await elapsed(at);
    else await reached(ground, at, way, moving.hasEnded);
    await suffer(ground, way, trouble);
    await moving.ended;
    troubles.push(trouble);
    await counts(ground);
    way = await wayOn(ground, way);
  }
  if (isFilled) for (const node of ground.nodes) await noSmallDisks(node);
  await countedWell(ground, way, troubles);
}

describe.concurrent('whatever happens to a job on its way', () => {
  const lanes = Math.min(count, 3);
  for (let lane = 0; lane < lanes; lane += 1) {
    test(
      `random rounds from seed ${firstSeed + lane}`,
      { timeout: Math.ceil(count / lanes) * roundMs },
      async (ctx) => {
        const reason = needs('netns', 'criu');
        if (reason !== undefined) ctx.skip(reason);
        const failures: Error[] = [];
        for (let seed = firstSeed + lane; seed < firstSeed + count; seed += lanes) {
          const round = roundOf(seed);
          console.log(describeRound(round));
          await onGround({ kind: 'cluster', nodes: 2, slots: 2 }, async (ground, said) =>
            play(ground, round, said),
          ).catch((error: unknown) => {
            const again = `OMX_CHAOS_SEED=${seed} OMX_MIGRATION_ROUNDS=1 npx vitest run --project chaos test/chaos/migration/random`;
            const failure = new Error(`${describeRound(round)}\nto repeat it: ${again}\n${String(error)}`, {
              cause: error,
            });
            failures.push(failure);
            // At once: the other rounds may take long.
            console.log(failure.message);
          });
        }
        if (failures.length > 0)
          throw new AggregateError(failures, failures.map(({ message }) => message).join('\n\n'));
      },
    );
  }
});
