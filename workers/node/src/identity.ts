import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A random name kept in the node's folder: a worker started again there is the same node. */
export function nodeIdentity(nodeDir: string): string {
  const path = join(nodeDir, 'identity');
  try {
    const known = readFileSync(path, 'utf8').trim();
    if (known !== '') return known;
  } catch {
    // Not there yet.
  }
  const identity = randomUUID();
  writeFileSync(path, `${identity}\n`, { mode: 0o600 });
  return identity;
}
