import { Buffer } from 'node:buffer';
import { closeSync, existsSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

/** Most of these files are far smaller. */
const piece = Buffer.allocUnsafe(16 * 1024);

/**
 * Files of /proc and /sys, read synchronously: the kernel answers from memory, and a thread-pool round trip would cost
 * more than the read. They vanish with their process (ENOENT, or ESRCH between open and read) and may be closed to us
 * (EACCES), so whatever cannot be read is undefined; no reader here turns that into a zero. A beat reads hundreds of them on
 * a busy machine: `readFileSync`, which asks for their size and makes a buffer for each, takes one and a half times as long.
 */
export function readText(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    let text = '';
    for (let length; (length = readSync(file, piece)) > 0;) text += piece.toString('latin1', 0, length);
    return text;
  } catch {
    return undefined;
  } finally {
    closeSync(file);
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
