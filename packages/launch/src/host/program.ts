import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { execa } from 'execa';

/** How a short program ended. No exit code: it could not be started, was killed, or took too long. */
export interface ProgramEnd {
  readonly exitCode?: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type RunProgram = (file: string, args: readonly string[]) => Promise<ProgramEnd>;

/** Runs a program that should answer at once: no shell, no input, five seconds and a megabyte at most. Never throws. */
export const runProgram: RunProgram = async (file, args) => {
  const result = await execa(file, args, {
    reject: false,
    stdin: 'ignore',
    timeout: 5000,
    forceKillAfterDelay: 500,
    maxBuffer: 1 << 20,
    // The answers are parsed, so they must come in the language the parsers were written for.
    env: { LC_ALL: 'C' },
  });
  const text = { stdout: result.stdout, stderr: result.stderr };
  return result.exitCode === undefined ? text : { exitCode: result.exitCode, ...text };
};

/**
 * Runs a program that may take minutes and says on stderr what it does, which goes to `told` as it comes.
 *
 * @returns its exit code; undefined where it could not be started or was killed
 */
export async function runAtLength(
  file: string,
  args: readonly string[],
  { env, told }: { readonly env: Readonly<Record<string, string | undefined>>; readonly told: Writable },
): Promise<number | undefined> {
  const child = execa(file, args, {
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    buffer: false,
    extendEnv: false,
    env,
  });
  child.stderr.pipe(told, { end: false });
  return (await child).exitCode;
}

/** The folders of PATH. An empty entry means the current folder (environ(7)), which a daemon must not search. */
export function pathFolders(path: string | undefined): readonly string[] {
  return (path ?? '').split(delimiter).filter((folder) => folder !== '');
}

/** The first executable regular file of that name, as an absolute path. */
export function findProgram(name: string, folders: readonly string[]): string | undefined {
  return folders.map((folder) => resolve(join(folder, name))).find((file) => isExecutable(file));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
