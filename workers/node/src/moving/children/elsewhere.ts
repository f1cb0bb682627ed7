import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { addUsage, noUsage, type Usage } from '@omx/core';

/**
 * What copies of a job's children have used on other nodes, by the child's name: a file of the job's folder, so that it goes
 * with the job and vanishes with it. Written before a child's end is known to its parent, and so before the job's end.
 */
export function noteElsewhere(folder: string, child: string, usage: Usage): void {
  const path = fileOf(folder);
  writeFileSync(`${path}.new`, JSON.stringify({ ...read(path), [child]: usage }), { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

/** Of all children. The job may write into its folder itself: what is no usage is none. */
export function usedElsewhere(folder: string): Usage {
  return Object.values(read(fileOf(folder)))
    .filter((each) => [each?.userUs, each?.sysUs, each?.maxRssKib].every(Number.isFinite))
    .reduce(addUsage, noUsage);
}

function fileOf(folder: string): string {
  return join(folder, '.capsule', 'elsewhere');
}

function read(path: string): Record<string, Usage> {
  try {
    const found: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof found === 'object' && found !== null ? (found as Record<string, Usage>) : {};
  } catch {
    return {};
  }
}
