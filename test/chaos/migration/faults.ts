import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
/** What a node may want for a while: room for images where they are written or arrive, or the job's program. */
export const wants = ['source disk', 'target disk', 'target program'] as const;
export type Fault = (typeof faults)[number] | (typeof wants)[number];

/** After so long others have given a node up, if they do. */
const noticedMs = leaseMs + 4000;
/** What a node wants for is noticed at once. */
const wantedMs = 2000;

/** A network has no process: SIGKILL is a cut until the other side has given up, SIGSTOP a short one. */
export interface Trouble {
  readonly fault: Fault;
  /** Nothing where something is wanted for. */
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
    case 'disk':
      return wantRoom(node, whose === 'target' ? 'target' : 'source', lastsMs ?? wantedMs);
    case 'program':
      return wantProgram(node, way.program, lastsMs ?? wantedMs);
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

/** A folder of a node's disk that can be filled without harm to others. */
function diskFolder(dir: string, whose: 'source' | 'target'): string {
  return whose === 'source' ? imageFolder(dir) : join(dir, 'arriving');
}

/** From now on what this node, whose worker is running, writes or receives of images goes to disks of their own. */
export async function smallDisks({ dir, net }: GroundNode): Promise<void> {
  if (net === undefined) throw new Error('this node has no machine of its own');
  for (const whose of ['source', 'target'] as const) {
    const folder = diskFolder(dir, whose);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await mountOn(net, ['-t', 'tmpfs', '-o', 'size=160m,mode=700', 'none'], folder);
  }
}

/** Takes them away again, when no job is on its way. */
export async function noSmallDisks({ dir, net }: GroundNode): Promise<void> {
  for (const whose of ['source', 'target'] as const) {
    const folder = diskFolder(dir, whose);
    net?.outsider(['umount', folder]);
    await until(() => !readFileSync(`/proc/${net?.workerPid()}/mountinfo`, 'utf8').includes(` ${folder} `));
    if (whose === 'source') rmSync(folder, { recursive: true, force: true });
  }
}

async function wantRoom({ dir, net }: GroundNode, whose: 'source' | 'target', ms: number): Promise<void> {
  const folder = `/proc/${net?.workerPid()}/root${diskFolder(dir, whose)}`;
  const filler = join(folder, 'filler');
  const fd = openSync(filler, 'w');
  try {
    for (const piece = Buffer.alloc(1 << 20); ;) writeSync(fd, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(fd);
  }
  await elapsed(ms);
  rmSync(filler);
}

async function wantProgram({ net }: GroundNode, program: string, ms: number): Promise<void> {
  if (net === undefined) throw new Error('this node has no machine of its own');
  const unmount = await mountOn(net, ['-t', 'tmpfs', '-o', 'size=64k', 'none'], dirname(program));
  await elapsed(ms);
  await unmount();
}

/** So often a machine wakes after this that stood still as a whole: its jobs run until its shepherd has stopped them. */
export function wakingsAfter({ fault, signal }: Trouble): number {
  return signal === 'SIGSTOP' && fault.endsWith(' node') ? 1 : 0;
}

/**
 * So often a job's processes may die by this: with their shepherd, or of what criu was doing to them, which it cannot undo where
 * they are stopped in the middle of it. Nodes that are given up are counted by their events.
 */
export function deathsBy({ fault, signal }: Trouble): number {
  return (signal === 'SIGKILL' ? /shepherd|node|criu/ : /source node/).test(fault) ? 1 : 0;
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
  const folder = diskFolder(dir, whose);
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
