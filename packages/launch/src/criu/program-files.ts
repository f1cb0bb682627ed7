import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { readBuildId } from './build-id.ts';

/** One file outside the job's folder that must be the same wherever the job goes on. */
export interface NeededFile {
  readonly path: string;
  readonly size: number;
  /** Of programs and libraries that have one. */
  readonly buildId?: string;
  /** SHA-256 of small files without a build id; larger ones are compared by size, as criu does. */
  readonly sha256?: string;
}

const smallBytes = 4 << 20;
const maxRemembered = 4096;
const remembered = new Map<string, NeededFile>();

/** Undefined where there is no such regular file. What was read before and has not changed is not read again. */
export function describeFile(path: string): NeededFile | undefined {
  let stamp: string;
  let size: number;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return undefined;
    size = stat.size;
    stamp = `${path}\0${stat.dev}:${stat.ino}:${stat.mtimeMs}:${size}`;
  } catch {
    return undefined;
  }
  const before = remembered.get(stamp);
  if (before !== undefined) return before;
  const buildId = readBuildId(path);
  const sha256 = buildId === undefined && size <= smallBytes ? digestOf(path) : undefined;
  const file = {
    path,
    size,
    ...(buildId === undefined ? {} : { buildId }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
  if (remembered.size >= maxRemembered) remembered.clear();
  remembered.set(stamp, file);
  return file;
}

function digestOf(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return undefined;
  }
}

/** Which of the files are not the same here, each with its reason, in the words of `omx why`. */
export function differences(files: readonly NeededFile[]): readonly string[] {
  return files.flatMap((wanted) => {
    const here = describeFile(wanted.path);
    if (here === undefined) return [`${wanted.path} is missing here`];
    if (here.size !== wanted.size || here.buildId !== wanted.buildId || here.sha256 !== wanted.sha256) {
      const sizes = here.size === wanted.size ? '' : ` (${here.size} bytes, not ${wanted.size})`;
      return [`${wanted.path} is another build here${sizes}`];
    }
    return [];
  });
}
