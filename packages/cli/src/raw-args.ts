import { readFileSync, readlinkSync } from 'node:fs';

import { bytesFromBuffer, bytesOf, type Bytes, usageError } from '@omx/core';

/**
 * The bytes of command-line words. Node decodes `process.argv` as UTF-8 and puts U+FFFD where it cannot; the words as
 * they were stand in `/proc/self/cmdline` (proc(5)), from whose end they are counted.
 * @param words the last words of the command line
 */
export function rawWords(words: readonly string[]): Bytes[] {
  if (!words.some((word) => word.includes('\uFFFD'))) return words.map(bytesOf);
  const all = readFileSync('/proc/self/cmdline').toString('latin1').split('\0').slice(0, -1) as Bytes[];
  return all.slice(all.length - words.length);
}

/** Whether a text of the command line, as Node decoded it, is what was typed. */
export function isAsTyped(text: string): boolean {
  return !text.includes('\uFFFD') || readFileSync('/proc/self/cmdline').includes(text);
}

/** Asked only by commands that need it: in a folder that was removed the others work all the same. */
export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    throw usageError('the working directory is no longer there', 'cd to another folder');
  }
}

/** The working directory as bytes, for the same reason. */
export function rawWorkingDirectory(cwd: string): Bytes {
  return cwd.includes('\uFFFD')
    ? bytesFromBuffer(readlinkSync('/proc/self/cwd', { encoding: 'buffer' }))
    : bytesOf(cwd);
}

/** The environment as bytes, for the same reason. */
export function rawEnvironment(env: Readonly<Record<string, string | undefined>>): Bytes[] {
  const entries = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  if (!entries.some((entry) => entry.includes('\uFFFD'))) return entries.map(bytesOf);
  const raw = new Map(
    (readFileSync('/proc/self/environ').toString('latin1').split('\0').slice(0, -1) as Bytes[]).map((entry) => [
      entry.slice(0, entry.indexOf('=')),
      entry,
    ]),
  );
  return entries.map((entry) =>
    entry.includes('\uFFFD') ? (raw.get(entry.slice(0, entry.indexOf('='))) ?? bytesOf(entry)) : bytesOf(entry),
  );
}
