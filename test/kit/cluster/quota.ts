import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import { until } from '../until.ts';

/** A control group with a share of the CPUs. */
export interface Quota {
  /** A process whose id is written there is in it, with all that it starts. */
  readonly procs: string;
  /** Takes it away once its processes are gone. */
  readonly remove: () => Promise<void>;
}

interface Place {
  readonly version: 1 | 2;
  readonly folder: string;
}

const mount = '/sys/fs/cgroup';
const prefix = 'omx-test-';
// The kernel's own. The kernel hands time out in slices of 5 ms, and loses much of them to every wake-up in a shorter one.
const periodUs = 100_000;

/** Why there can be no quota here; undefined where there can be. */
export function quotaMissing(): string | undefined {
  if (place() !== undefined) return undefined;
  return `no control group for CPU time can be made here (${mount} is not writable for this user, or the cpu controller is off)`;
}

let made = 0;

/**
 * @param cpus - CPUs' worth of time, such as 0.25
 * @throws Error where `quotaMissing`
 */
export function makeQuota(cpus: number): Quota {
  const found = place();
  if (found === undefined) throw new Error(quotaMissing());
  sweep(found.folder);
  made += 1;
  const folder = join(found.folder, `${prefix}${process.pid}-${made}`);
  mkdirSync(folder);
  limit({ version: found.version, folder }, cpus);
  return {
    procs: join(folder, 'cgroup.procs'),
    // The kernel takes a moment to let go of what has ended.
    remove: async () => {
      await until(() => removed(folder), { timeoutMs: 5000 });
    },
  };
}

/** The weight is the greatest: whatever else the machine does takes nothing from it. */
function limit({ version, folder }: Place, cpus: number): void {
  const quotaUs = Math.round(periodUs * cpus);
  if (version === 2) {
    writeFileSync(join(folder, 'cpu.max'), `${quotaUs} ${periodUs}`);
    writeFileSync(join(folder, 'cpu.weight'), '10000');
    return;
  }
  writeFileSync(join(folder, 'cpu.cfs_period_us'), String(periodUs));
  writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(quotaUs));
  writeFileSync(join(folder, 'cpu.shares'), '262144');
}

let known: Place | undefined | null = null;

function place(): Place | undefined {
  if (known === null) known = candidates().find(works);
  return known;
}

/** Folders under which a group may be made: source cgroups(7), `/proc/self/cgroup`. */
function candidates(): Place[] {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  return lines.flatMap((line): Place[] => {
    const [, controllers = '', own = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers.split(',').includes('cpu')) {
      const top = ['cpu', controllers].map((name) => join(mount, name)).find((folder) => existsSync(folder)) ?? mount;
      return [join(top, own), top].map((folder) => ({ version: 1, folder }));
    }
    if (controllers !== '') return [];
    // In version 2 a group with processes may have no groups with limits below it, except for the topmost.
    return [join(mount, dirname(own)), mount].map((folder) => ({ version: 2, folder }));
  });
}

function works({ version, folder }: Place): boolean {
  const trial = join(folder, `${prefix}${process.pid}-trial`);
  try {
    accessSync(folder, constants.W_OK);
    if (version === 2 && !readFileSync(join(folder, 'cgroup.subtree_control'), 'utf8').split(/\s/).includes('cpu'))
      writeFileSync(join(folder, 'cgroup.subtree_control'), '+cpu');
    mkdirSync(trial);
    limit({ version, folder: trial }, 0.5);
    return true;
  } catch {
    return false;
  } finally {
    if (existsSync(trial)) rmdirSync(trial);
  }
}

/** What test runs have left that were killed. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [, pid] = new RegExp(`^${prefix}(\\d+)-`).exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removed(join(folder, name));
  }
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch {
    // Looked at below.
  }
  return !existsSync(folder);
}
