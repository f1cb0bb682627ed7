import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchId, Job } from '@omx/core';
import { BatchStore, JobStore } from '@omx/queue';

import type { Ground, GroundNode } from '../kit/ground.ts';

/** Steps of a hand-over that can be seen from outside, in their order (workers/node/src/moving/README.md). */
export const moments = ['freezing', 'frozen', 'sending', 'thawing', 'ending', 'moved'] as const;
export type Moment = (typeof moments)[number];

/** A job on its way from one node to another. */
export interface Way {
  readonly id: string;
  readonly source: GroundNode;
  readonly target: GroundNode;
  /** The job's, its path. */
  readonly program: string;
}

/** Resolves as soon as the step is seen, or when there is nothing more to be seen as the command has ended. */
export async function reached(ground: Ground, moment: Moment, way: Way, ended: () => boolean): Promise<void> {
  // No pause between two looks: some of the steps take a few milliseconds.
  while (!ended() && !(await seen(ground, moment, way))) await new Promise(setImmediate);
}

async function seen(ground: Ground, moment: Moment, { id, source, target }: Way): Promise<boolean> {
  switch (moment) {
    case 'freezing':
      return criuOf(source, 'dump').length > 0;
    case 'frozen':
      return (await recordOf(ground, id)).job.status === 'frozen';
    case 'sending':
      return entries(join(target.dir, 'arriving')).length > 0;
    case 'thawing':
      return criuOf(target, 'restore').length > 0;
    case 'ending':
      return entries(join(source.dir, 'leaving')).some((name) => name.endsWith('.json'));
    case 'moved':
      return (await recordOf(ground, id)).node === target.name;
  }
}

/** The batch's only job as the queue has it, and the name of the node that has it. */
export async function recordOf({ redis }: Ground, id: string): Promise<{ readonly job: Job; readonly node: string }> {
  const batches = new BatchStore(redis);
  const batch = await batches.load(id as BatchId);
  const [snapshot] = await new JobStore(batches).read(batch, [0]);
  if (snapshot === undefined) throw new Error(`${id} has no job`);
  const { job } = snapshot;
  const names = await batches.nodeNames(batch.id);
  return { job, node: ('node' in job ? names.get(job.node ?? -1) : undefined) ?? '' };
}

/** Processes of criu that do this on the node, by their numbers outside: they work in its network. */
export function criuOf(node: GroundNode, doing: 'dump' | 'restore'): number[] {
  let network: string;
  try {
    network = readlinkSync(`/proc/${node.workerPid()}/ns/net`);
  } catch {
    return [];
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const words = readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0');
        const isCriu = words.slice(0, 6).some((word) => /(^|\/)criu(\.bin)?$/.test(word));
        return isCriu && words.includes(doing) && !words.includes('cpuinfo') && readlinkSync(`/proc/${name}/ns/net`) === network;
      } catch {
        return false;
      }
    })
    .map(Number);
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
