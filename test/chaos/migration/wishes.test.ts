import { describe, expect, test } from 'vitest';

import { isAlive, jobOf } from '../../kit/batches.ts';
import { living } from '../../kit/cluster/living.ts';
import { needs } from '../../kit/needs.ts';
import { until } from '../../kit/until.ts';
import type { Ground, GroundNode } from '../kit/ground.ts';
import { allLeave } from '../kit/invariants.ts';
import { onGround } from '../kit/played.ts';
import { elapsed } from '../kit/strike.ts';
import { suffer } from './faults.ts';
import { type Moment, reached, type Way } from './moments.ts';
import { begin, counts, countedWell, migrating, nothingIsLeft, wayOn } from './scene.ts';

const two = { kind: 'cluster', nodes: 2, slots: 2 } as const;
/** Enough that it is on its way for some time. */
const mib = 64;

async function isOver(ground: Ground, { id }: Way): Promise<boolean> {
  return !['running', 'frozen', 'paused', 'queued'].includes((await jobOf(ground, id)).state);
}

/** The job has ended so, nothing of it lives, and nothing is left. */
async function endedAs(ground: Ground, way: Way, outcome: string): Promise<void> {
  await until(async () => isOver(ground, way), { timeoutMs: 30_000 });
  expect(await jobOf(ground, way.id)).toMatchObject({ outcome });
  await until(() => living(ground.shared, way.id), { is: (left) => left.length === 0, timeoutMs: 15_000 });
  await allLeave(ground);
  await nothingIsLeft(ground);
}

/** Its worker ends, and its jobs stay for the next. */
async function succeeded(node: GroundNode): Promise<void> {
  const worker = node.workerPid();
  process.kill(worker, 'SIGUSR2');
  await until(() => !isAlive(worker), { timeoutMs: 60_000 });
  await node.start();
}

interface Wish {
  readonly args?: readonly string[];
  readonly during: (ground: Ground, way: Way) => Promise<void>;
  readonly after: (ground: Ground, way: Way) => Promise<void>;
  /** When it is wished in the short form; otherwise `few`. */
  readonly short?: readonly Moment[];
}

const goesOnWell: Wish['after'] = async (ground, way) => {
  await counts(ground);
  await countedWell(ground, await wayOn(ground, way), []);
};

const wishes: Readonly<Record<string, Wish>> = {
  'paused, it stands still wherever it is, until it is resumed': {
    during: async (ground, { id }) => expect(await ground.omx(['pause', id])).toMatchObject({ code: 0 }),
    after: async (ground, way) => {
      await until(async () => (await jobOf(ground, way.id)).state === 'paused', { timeoutMs: 20_000 });
      // The signal follows the record.
      await elapsed(2500);
      const before = ground.trace().length;
      await elapsed(500);
      expect(ground.trace().length).toBe(before);
      expect(await ground.omx(['resume', way.id])).toMatchObject({ code: 0 });
      await goesOnWell(ground, way);
    },
  },
  'cancelled, it ends wherever it is': {
    during: async (ground, { id }) => expect(await ground.omx(['cancel', id])).toMatchObject({ code: 0 }),
    after: async (ground, way) => endedAs(ground, way, 'cancelled'),
  },
  'its time limit counts on': {
    args: ['--time', '6s'],
    during: async (ground, way) => suffer(ground, way, { fault: 'target network', signal: 'SIGSTOP', lastsMs: 7000 }),
    after: async (ground, way) => endedAs(ground, way, 'timed-out'),
  },
  'the source leaves': { during: async (_, { source }) => source.leave(), after: goesOnWell },
  // While the original is ended the target cannot know yet whose the job is.
  'the target leaves': {
    during: async (_, { target }) => target.leave(),
    after: goesOnWell,
    short: ['frozen', 'ending'],
  },
  'another worker takes over at the source': {
    during: async (_, { source }) => succeeded(source),
    after: goesOnWell,
  },
  'another worker takes over at the target': {
    during: async (_, { target }) => succeeded(target),
    after: goesOnWell,
    short: ['frozen', 'ending'],
  },
};

const few: readonly Moment[] = ['frozen'];
const all: readonly Moment[] = ['freezing', 'frozen', 'thawing', 'ending', 'moved'];

describe.concurrent('somebody wants something of a job on its way', () => {
  for (const [what, { args = [], during, after, short = few }] of Object.entries(wishes)) {
    test.for(process.env['OMX_CHAOS'] === 'all' ? all : short)(`${what} (%s)`, async (moment, ctx) => {
      const reason = needs('netns', 'criu');
      if (reason !== undefined) ctx.skip(reason);
      await onGround(two, async (ground, said) => {
        const way = await begin(ground, mib, undefined, args);
        said(way.id);
        const moving = migrating(ground, way);
        await reached(ground, moment, way, moving.hasEnded);
        await during(ground, way);
        await moving.ended;
        await after(ground, way);
      });
    });
  }
});
