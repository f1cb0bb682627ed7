import { describe, test } from 'vitest';

import { needs } from '../../kit/needs.ts';
import type { Ground } from '../kit/ground.ts';
import { onGround } from '../kit/played.ts';
import { elapsed } from '../kit/strike.ts';
import { deathsBy, suffer } from './faults.ts';
import { describeRound, type Round, roundOf } from './rounds.ts';
import { begin, counts, countedWell, wayOn } from './scene.ts';

const count = Number(process.env['OMX_MIGRATION_ROUNDS'] ?? 2);
const firstSeed = Number(process.env['OMX_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const roundMs = 150_000;

async function play(ground: Ground, { mib, moves }: Round, said: (id: string) => void): Promise<void> {
  let way = await begin(ground, mib);
  said(way.id);
  let deaths = 0;
  for (const { atMs, trouble } of moves) {
    const moving = ground.omxSpawn(['migrate', way.id, '--to', way.target.name]);
    await elapsed(atMs);
    await suffer(ground, way, trouble);
    // It may have been refused, carried out, or neither: what counts is the job.
    await moving.ended;
    deaths += deathsBy(trouble);
    await counts(ground);
    way = await wayOn(ground, way);
  }
  await countedWell(ground, way, deaths);
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
        for (let seed = firstSeed + lane; seed < firstSeed + count; seed += lanes) {
          const round = roundOf(seed);
          console.log(describeRound(round));
          await onGround({ kind: 'cluster', nodes: 2, slots: 2 }, async (ground, said) =>
            play(ground, round, said),
          ).catch((error: unknown) => {
            const again = `OMX_CHAOS_SEED=${seed} OMX_MIGRATION_ROUNDS=1 npx vitest run --project chaos test/chaos/migration/random`;
            throw new Error(`${describeRound(round)}\nto repeat it: ${again}\n${String(error)}`, { cause: error });
          });
        }
      },
    );
  }
});
