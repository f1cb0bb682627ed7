import { describe, expect, test } from 'vitest';

import { jobOf } from '../../kit/batches.ts';
import { needs } from '../../kit/needs.ts';
import type { GroundNode } from '../kit/ground.ts';
import { onGround } from '../kit/played.ts';
import { type Signal, signals } from '../kit/strike.ts';
import {
  type Fault,
  faults,
  fillDisk,
  type FullDisk,
  noSmallDisks,
  smallDisks,
  suffer,
  type Trouble,
  wants,
} from './faults.ts';
import { type Moment, moments, reached } from './moments.ts';
import { begin, countedWell, migrating } from './scene.ts';

const two = { kind: 'cluster', nodes: 2, slots: 2 } as const;
/** Enough that each step can be seen. */
const mib = 24;

interface Case extends Trouble {
  readonly moment: Moment;
}

/** All of them are played by `npm run chaos` and `npm run migration`; `npm test` plays those that have most to go wrong. */
const all = [
  ...faults.flatMap((fault) => moments.flatMap((moment) => signals.map((signal): Case => ({ fault, moment, signal })))),
  ...wants.flatMap((fault) => moments.map((moment): Case => ({ fault, moment, signal: 'SIGKILL' }))),
];
const short: readonly [Fault, Moment, Signal][] = [
  ['source worker', 'frozen', 'SIGKILL'],
  ['source worker', 'ending', 'SIGKILL'],
  ['source worker', 'ending', 'SIGSTOP'],
  ['target worker', 'sending', 'SIGKILL'],
  ['target worker', 'thawing', 'SIGKILL'],
  ['target worker', 'ending', 'SIGKILL'],
  ['target worker', 'moved', 'SIGKILL'],
  ['source shepherd', 'ending', 'SIGKILL'],
  ['target shepherd', 'thawing', 'SIGKILL'],
  ['source criu', 'freezing', 'SIGKILL'],
  ['target criu', 'thawing', 'SIGKILL'],
  ['redis', 'ending', 'SIGKILL'],
  ['source network', 'sending', 'SIGKILL'],
  ['target network', 'ending', 'SIGKILL'],
  ['target node', 'thawing', 'SIGKILL'],
  ['target disk', 'sending', 'SIGKILL'],
  ['target program', 'frozen', 'SIGKILL'],
];
const isShort = ({ fault, moment, signal }: Case): boolean =>
  short.some(([who, when, how]) => who === fault && when === moment && how === signal);
const played = process.env['OMX_CHAOS'] === 'all' ? all : all.filter(isShort);

describe.concurrent('a job on its way loses nothing and is never in two places', () => {
  for (const each of played) {
    const isFilled = each.fault.endsWith(' disk');
    test(`${each.fault} ${each.moment} by ${each.signal}`, async (ctx) => {
      const reason = needs('netns', 'criu');
      if (reason !== undefined) ctx.skip(reason);
      await onGround(two, async (ground, said) => {
        const way = await begin(ground, mib, isFilled ? smallDisks : undefined);
        said(way.id);
        const moving = migrating(ground, way);
        await reached(ground, each.moment, way, moving.hasEnded);
        await suffer(ground, way, each);
        await moving.ended;
        if (isFilled) for (const node of ground.nodes) await noSmallDisks(node);
        await countedWell(ground, way, [each]);
      });
    });
  }

  for (const whose of ['source', 'target'] as const) {
    test(`no room on the disk of the ${whose}`, async (ctx) => {
      const reason = needs('netns', 'criu', 'root');
      if (reason !== undefined) ctx.skip(reason);
      await onGround(two, async (ground, said) => {
        const disks: FullDisk[] = [];
        const fill = async (node: GroundNode): Promise<void> => void disks.push(await fillDisk(node, whose));
        const way = await begin(ground, mib, whose === 'source' ? fill : undefined);
        said(way.id);
        if (whose === 'target') await fill(way.target);
        const refused = await ground.omx(['migrate', way.id, '--to', way.target.name]);
        expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/room|disk/) });
        expect(await jobOf(ground, way.id)).toMatchObject({ state: 'running', node: way.source.name, migrations: 0 });
        for (const disk of disks) await disk.empty();
        const { code, stderr } = await ground.omx(['migrate', way.id, '--to', way.target.name]);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        for (const disk of disks) disk.remove();
        await countedWell(ground, way, []);
      });
    });
  }
});
