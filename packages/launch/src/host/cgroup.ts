import { posix } from 'node:path';
import { readLines, readText } from './read.ts';
import type { Roots } from './roots.ts';

export interface ControlGroup {
  readonly version: 1 | 2;
  /** The group's path below the mount, as the kernel names it. */
  readonly path: string;
  /** The group's folder and those above it, innermost first. A limit anywhere on the way up holds. */
  readonly folders: readonly string[];
}

/**
 * The control group that limits this process for one controller. Source: cgroups(7), proc(5) `/proc/pid/cgroup`.
 * In a container without its own cgroup namespace the path names folders that are not mounted inside; those read as
 * nothing, and the mount's top folder, which is the container's own group there, still counts.
 */
export function controlGroup(roots: Roots, controller: 'cpu' | 'cpuacct' | 'memory'): ControlGroup | undefined {
  const lines = readLines(`${roots.proc}/self/cgroup`).map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line));
  const mount = `${roots.sys}/fs/cgroup`;
  for (const line of lines) {
    const names = line?.[1] ?? '';
    if (!names.split(',').includes(controller)) continue;
    // v1 folders are named after one controller or after all that are mounted together, in the kernel's order.
    const top = readText(`${mount}/${controller}/cgroup.procs`) === undefined ? names : controller;
    const path = line?.[2] ?? '/';
    return { version: 1, path, folders: upwards(`${mount}/${top}`, path) };
  }
  const unified = lines.find((line) => line?.[1] === '');
  if (unified === undefined) return undefined;
  const path = unified?.[2] ?? '/';
  return { version: 2, path, folders: upwards(mount, path) };
}

function upwards(top: string, path: string): readonly string[] {
  // A path with `..` leads out of the cgroup namespace: nothing of it is visible here but the top.
  const words = path.split('/').filter((word) => word !== '');
  const visible = words.includes('..') ? [] : words;
  return visible.map((_, index) => posix.join(top, ...visible.slice(0, visible.length - index))).concat(top);
}
