import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
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
