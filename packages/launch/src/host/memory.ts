import { controlGroup, type ControlGroup } from './cgroup.ts';
import { readInteger, readText } from './read.ts';
import { machineRoots, type Roots } from './roots.ts';

export interface MemoryFacts {
  /** The machine's memory or the control group's limit, whichever is less. */
  readonly totalBytes: number;
  /** What can be taken without swapping, by the kernel's estimate, and within the control group's limit. */
  readonly availableBytes: number;
}

/** Source: proc(5) `/proc/meminfo`; kernel `Documentation/admin-guide/cgroup-v2.rst`, `cgroup-v1/memory.rst`. */
export function readMemoryFacts(roots: Roots = machineRoots): MemoryFacts | undefined {
  const info = readText(`${roots.proc}/meminfo`) ?? '';
  const totalBytes = kibField(info, 'MemTotal');
  // MemAvailable is there since Linux 3.14; before it, free and cached memory is the usual stand-in.
  const free = kibField(info, 'MemFree');
  const availableBytes =
    kibField(info, 'MemAvailable') ?? (free === undefined ? undefined : free + (kibField(info, 'Cached') ?? 0));
  if (totalBytes === undefined || availableBytes === undefined) return undefined;

  const group = controlGroup(roots, 'memory');
  let facts: MemoryFacts = { totalBytes, availableBytes };
  for (const folder of group?.folders ?? []) {
    const limit = group === undefined ? undefined : limitOf(group, folder);
    // v1 writes "no limit" as a number near 2^63, rounded to pages: anything above the machine is no limit.
    if (limit === undefined || limit.bytes >= totalBytes) continue;
    facts = {
      totalBytes: Math.min(facts.totalBytes, limit.bytes),
      availableBytes: Math.min(facts.availableBytes, Math.max(0, limit.bytes - limit.usedBytes)),
    };
  }
  return facts;
}

/** Page cache that is not in use counts as charged but goes first under pressure, so it is taken off what is used. */
function limitOf(group: ControlGroup, folder: string): { bytes: number; usedBytes: number } | undefined {
  const v2 = group.version === 2;
  const bytes = readInteger(`${folder}/${v2 ? 'memory.max' : 'memory.limit_in_bytes'}`);
  if (bytes === undefined || bytes < 0) return undefined;
  const charged = readInteger(`${folder}/${v2 ? 'memory.current' : 'memory.usage_in_bytes'}`) ?? 0;
  const stat = readText(`${folder}/memory.stat`) ?? '';
  const cache = new RegExp(`^${v2 ? '' : 'total_'}inactive_file (\\d+)$`, 'm').exec(stat);
  return { bytes, usedBytes: Math.max(0, charged - Number(cache?.[1] ?? 0)) };
}

function kibField(info: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(info);
  return match === null ? undefined : Number(match[1]) * 1024;
}
