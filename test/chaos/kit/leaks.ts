import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from '@omx/queue';

/** What may stay in Redis when all batches have ended and all workers have left. */
const lasting = [
  /^omx:(last|schema|events|classes)$/,
  /^omx:(named|key|env):/,
  /^omx:\{nodes\}:(info|beats|wanted)$/,
  /^omx:\{b\d+\}:(meta|revisions|sums|failed|history|excused|superseded|packs|rows|nodes|notes|moves)$/,
  /^omx:\{b\d+\}:(jobs|items):\d+$/,
  // What BullMQ keeps of a queue without jobs.
  /^\{omx:q:[^}]*\}:chunks-.*:(meta|events|id|marker|pc|stalled-check)$/,
];

/** Keys that should have gone with what they were for. */
export function leakedKeys(keys: readonly string[]): string[] {
  return keys.filter((key) => !lasting.some((pattern) => pattern.test(key))).sort();
}

export async function allKeys(redis: Redis): Promise<string[]> {
  return redis.keys('*');
}

/** What a node whose worker has left may keep in its folder, with the most bytes of it. */
const kept = new Map([
  ['identity', 100],
  ['journal', 64 * 1024],
  ['shepherd.lock', 100],
  ['shepherd.log', 64 * 1024],
]);

/**
 * Files in a node's folder that should have gone, or are too large. Folders without a file are no loss.
 * @param outputs files of jobs whose output is to stay on the node
 */
export function leakedFiles(dir: string, outputs: readonly string[] = []): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
    const facts = statSync(join(dir, name), { throwIfNoEntry: false });
    if (facts === undefined || facts.isDirectory() || outputs.includes(name)) return [];
    const most = kept.get(name);
    if (most === undefined) return [`${dir}/${name}`];
    return facts.size <= most ? [] : [`${dir}/${name} (${facts.size} bytes)`];
  });
}
