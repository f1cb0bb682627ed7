import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The folder in shared memory for images of jobs on their way out of a node, by the node's state folder. */
export function imageFolder(nodeDir: string): string {
  const id = createHash('sha256').update(nodeDir).digest('hex').slice(0, 12);
  return `/dev/shm/omx-${process.geteuid?.() ?? 0}-${id}`;
}

/** What is there: nothing, not even the folder, when no job is on its way. */
export function imagesInMemory(nodeDir: string): string[] {
  const folder = imageFolder(nodeDir);
  return existsSync(folder) ? [folder, ...readdirSync(folder).map((name) => join(folder, name))] : [];
}
