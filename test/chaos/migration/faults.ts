import { join } from 'node:path';
import { mkdirSync, rmSync, statfsSync } from 'node:fs';

import { imageFolder } from '../../kit/images-in-memory.ts';
import { mountOn } from '../../kit/cluster/mounted.ts';
import { until } from '../../kit/until.ts';
import { type Ground, type GroundNode, leaseMs } from '../kit/ground.ts';
import { elapsed, type Signal, strike } from '../kit/strike.ts';
import { criuOf, type Way } from './moments.ts';

export const faults = [
  'source worker',
  'target worker',
  'source shepherd',
  'target shepherd',
  'source criu',
  'target criu',
  'source node',
  'target node',
  'redis',
  'source network',
  'target network',
] as const;
export type Fault = (typeof faults)[number];

/** After so long others have given a node up, if they do. */
const noticedMs = leaseMs + 4000;

/** A network has no process: SIGKILL is a cut until the other side has given up, SIGSTOP a short one. */
export interface Trouble {
  readonly fault: Fault;
  readonly signal: Signal;
  /** How long it lasts, milliseconds; undefined: until others have noticed, as far as they will. */
  readonly lastsMs?: number;
}

/** Strikes now, and mends it. */
export async function suffer(ground: Ground, way: Way, { fault, signal, lastsMs }: Trouble): Promise<void> {
  const [whose, victim = 'redis'] = fault.split(' ');
  const node = whose === 'target' ? way.target : way.source;
  switch (victim) {
    case 'criu':
      return sufferCriu(node, fault, signal);
    case 'network':
      return sufferCut(node, lastsMs ?? (signal === 'SIGKILL' ? noticedMs : 1000));
    case 'worker':
    case 'shepherd':
    case 'node':
    case 'redis': {
      const blown = await strike(ground, { victim, signal, node });
      // A worker that was killed is started again at once.
      const afterMs = lastsMs ?? (victim === 'worker' && signal === 'SIGKILL' ? 0 : noticedMs);
      return blown.mend({ afterMs });
    }
    default:
      throw new Error(`nobody knows how to do harm to ${fault}`);
  }
}

async function sufferCriu(node: GroundNode, fault: Fault, signal: Signal): Promise<void> {
  const pids = criuOf(node, fault === 'source criu' ? 'dump' : 'restore');
  send(pids, signal);
  if (signal === 'SIGKILL') return;
  await elapsed(1000);
  send(pids, 'SIGCONT');
}

function send(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It was done.
    }
  }
}

async function sufferCut({ net }: GroundNode, ms: number): Promise<void> {
  await net?.cut();
  await elapsed(ms);
  await net?.join();
}

/** So often a job's processes may die by this with their shepherd. Nodes that are given up are counted by their events. */
export function deathsBy({ fault, signal }: Trouble): number {
  return signal === 'SIGKILL' && /shepherd|node/.test(fault) ? 1 : 0;
}

/** A disk with room for so little that no job fits. */
export interface FullDisk {
  /** There is room again. */
  readonly empty: () => Promise<void>;
  /** Takes away its folder, when nothing is in it. */
  readonly remove: () => void;
}

/**
 * Puts one where images are written (`source`) or arrive (`target`) on this node, whose worker is running. Jobs have their own
 * view of what is mounted: that of their start.
 */
export async function fillDisk({ dir, net }: GroundNode, whose: 'source' | 'target'): Promise<FullDisk> {
  if (net === undefined) throw new Error('this node has no machine of its own');
  const folder = whose === 'source' ? imageFolder(dir) : join(dir, 'arriving');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const unmount = await mountOn(net, ['-t', 'tmpfs', '-o', 'size=128k', 'none'], folder);
  if (whose === 'target') return { empty: unmount, remove: () => {} };
  return {
    empty: async () => {
      net.outsider(['mount', '-o', 'remount,size=1g', folder]);
      const seen = `/proc/${net.workerPid()}/root${folder}`;
      await until(() => statfsSync(seen).bavail * statfsSync(seen).bsize > 2 ** 29);
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
