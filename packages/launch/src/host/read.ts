import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';

/**
 * Files of /proc and /sys, read synchronously: the kernel answers from memory, and a thread-pool round trip would cost
 * more than the read. They vanish with their process (ENOENT, or ESRCH between open and read) and may be closed to us
 * (EACCES), so whatever cannot be read is undefined; no reader here turns that into a zero.
 */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** What a symbolic link says, such as `net:[4026531840]` of a namespace. */
export function readLinkText(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** The decimal number that starts the file; undefined also for an empty or malformed one. */
export function readInteger(path: string): number | undefined {
  return integerOf(readText(path));
}

export function integerOf(text: string | undefined): number | undefined {
  const match = /^\s*(-?\d+)(?=\s|$)/.exec(text ?? '');
  return match === null ? undefined : Number(match[1]);
}

export function readLines(path: string): readonly string[] {
  return (readText(path) ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

export function isThere(path: string): boolean {
  return existsSync(path);
}

/** Names in a folder that are whole numbers, ascending; empty where the folder cannot be read. */
export function numericEntries(folder: string): readonly number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}
