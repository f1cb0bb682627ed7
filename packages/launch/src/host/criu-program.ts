import { homedir } from 'node:os';
import { join } from 'node:path';

import { findProgram, pathFolders, type RunProgram, runProgram } from './program.ts';

/** Older ones fail on the kernels of today and cannot work without root. */
export const oldestCriu = 4;

export interface CriuProgram {
  readonly file: string;
  /** As it says it: `4.1.1`. */
  readonly version: string;
}

export interface CriuSearch {
  /** The first that is new enough; undefined where there is none. */
  readonly found?: CriuProgram;
  /** What was passed over on the way, as it is too old. */
  readonly older: readonly CriuProgram[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `/` for an account that has none. */
function ownFolder(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

/** Where a criu is looked for: PATH, the folder of `setup/get-criu.sh`, the usual places. That script has the same list. */
export function criuFolders(env: Environment): readonly string[] {
  const data = env['XDG_DATA_HOME'];
  const base = data === undefined || data === '' ? join(env['HOME'] ?? ownFolder(), '.local', 'share') : data;
  const usual = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin'];
  return [...new Set([...pathFolders(env['PATH']), join(base, 'omx', 'criu'), ...usual])];
}

/**
 * Asks each criu that is here for its version, until one is new enough; only that of `OMX_CRIU` where it is set. One that
 * does not run is as good as none.
 */
export async function findCriu(env: Environment, run: RunProgram = runProgram): Promise<CriuSearch> {
  const older: CriuProgram[] = [];
  const named = env['OMX_CRIU'];
  const files =
    named !== undefined && named !== '' ? [named] : criuFolders(env).map((folder) => findProgram('criu', [folder]));
  for (const file of files) {
    if (file === undefined) continue;
    const { exitCode, stdout } = await run(file, ['--version']);
    const version = exitCode === 0 ? /^Version:\s*(\S+)/m.exec(stdout)?.[1] : undefined;
    if (version === undefined) continue;
    if (Number.parseInt(version, 10) >= oldestCriu) return { found: { file, version }, older };
    older.push({ file, version });
  }
  return { older };
}
