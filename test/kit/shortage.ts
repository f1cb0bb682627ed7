import { existsSync, readdirSync } from 'node:fs';
import { expect } from 'vitest';

import { type Commands, countsOf, jobsOf, logsOf, waitFor } from './batches.ts';
import type { RunningOmx, TestHome } from './home.ts';

/** How many jobs of the batch have ended well so far. */
export async function succeeded(home: Commands, id: string): Promise<number> {
  return Number((await countsOf(home, id))['succeeded']);
}

/** Jobs of the node `n1` whose output is still in its folder: they run, or have ended and are not on record yet. */
export function unfinished(home: Pick<TestHome, 'dir'>, id: string): number {
  const folder = `${home.dir}/nodes/n1/out/${id}`;
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.out')).length : 0;
}

/** How many jobs a worker has given back because its node is short of something, as it says itself. */
export function givenBack(node: RunningOmx): number {
  return node.stdout().split('the node is short of something').length - 1;
}

/** The lines of `seq FIRST LAST`. */
export function linesFrom(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, at) => String(first + at));
}

/** All jobs have ended well, none failed on the way, and what they printed is there, whole and in the order of the jobs. */
export async function allWell(home: Commands, id: string, lines: readonly string[]): Promise<void> {
  expect(await waitFor(home, id)).toBe(0);
  const jobs = await jobsOf(home, id);
  expect(jobs.filter(({ outcome }) => outcome === 'succeeded')).toHaveLength(jobs.length);
  expect(await logsOf(home, id)).toBe(lines.map((line) => `${line}\n`).join(''));
  // A node in quarantine takes failures back, and there must be none.
  expect((await home.omx(['events'])).stdout).not.toContain('node-quarantined');
}
