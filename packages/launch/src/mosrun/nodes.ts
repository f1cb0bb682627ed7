import { numericEntries, readInteger, readText } from '../host/read.ts';
import { machineRoots, type Roots } from '../host/roots.ts';

/** A cluster node as openMosix's kernel tells of it. What it does not tell is undefined. */
export interface ClusterNode {
  readonly id: number;
  readonly up: boolean;
  /** 100: one process keeping one standard processor busy. */
  readonly load: number | undefined;
  /** 10000: a standard processor. */
  readonly speed: number | undefined;
  readonly cpus: number | undefined;
  readonly memTotalBytes: number | undefined;
  /** Free by openMosix's own count. */
  readonly memFreeBytes: number | undefined;
  /** Share of time spent running or waiting for swapped pages, percent. */
  readonly utilPercent: number | undefined;
  /** What its administrator has set: `stay`, `lstay`, `block`, `quiet`. */
  readonly flags: readonly string[];
}

/** Source: MOSIX library header. 1 is "configured", 2 "up"; a negative word is an errno: nobody answers there. */
const statusFlags: readonly (readonly [number, string])[] = [
  [4, 'stay'],
  [8, 'lstay'],
  [16, 'block'],
  [32, 'quiet'],
];

const pageBytes = 4096;

/**
 * Source: openMosix HOWTO, `/proc/hpc/nodes`; qps and gossimon for the spelling `cpus`.
 * @param procBase - `/proc/hpc`, or `/proc/mosix` on the older kernels
 */
export function readClusterNodes(procBase: string, roots: Roots = machineRoots): readonly ClusterNode[] {
  const unit = memoryUnit(procBase, roots);
  return numericEntries(`${procBase}/nodes`).map((id) => {
    const folder = `${procBase}/nodes/${id}`;
    const status = readInteger(`${folder}/status`);
    const fact = (name: string): number | undefined => {
      const value = readInteger(`${folder}/${name}`);
      return value === undefined || value < 0 ? undefined : value;
    };
    const load = readInteger(`${folder}/load`);
    const flags = statusFlags.filter(([bit]) => status !== undefined && status > 0 && (status & bit) !== 0);
    return {
      id,
      up: isUp(status, load),
      load: fact('load'),
      speed: fact('speed'),
      cpus: fact('cpus') ?? fact('CPUs'),
      memTotalBytes: times(fact('tmem'), unit),
      memFreeBytes: times(fact('mem'), unit),
      utilPercent: fact('util'),
      flags: flags.map(([, name]) => name),
    };
  });
}

function isUp(status: number | undefined, load: number | undefined): boolean {
  if ((load ?? 0) < 0) return false;
  return status === undefined ? load !== undefined : status > 0 && (status & 2) !== 0;
}

/**
 * Memory is in pages, but in bytes on MOSIX 1 with a kernel before 2.4.18. This node's own total tells which, as
 * MemTotal is known: read as bytes it lies within half and twice of it, or it does not.
 */
function memoryUnit(procBase: string, roots: Roots): number {
  const own = readInteger(`${procBase}/admin/mospe`);
  const total = own === undefined ? undefined : readInteger(`${procBase}/nodes/${own}/tmem`);
  const kib = /^MemTotal:\s+(\d+) kB$/m.exec(readText(`${roots.proc}/meminfo`) ?? '')?.[1];
  if (total === undefined || kib === undefined) return pageBytes;
  const ratio = total / (Number(kib) * 1024);
  return ratio > 0.5 && ratio < 2 ? 1 : pageBytes;
}

function times(value: number | undefined, unit: number): number | undefined {
  return value === undefined ? undefined : value * unit;
}
