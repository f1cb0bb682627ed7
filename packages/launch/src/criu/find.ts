import { join } from 'node:path';
import { OmxError } from '@omx/core';
import { findProgram, pathFolders, runProgram, type RunProgram } from '../host/program.ts';

/** A CRIU that is new enough. */
export interface Criu {
  readonly path: string;
  /** `4.1.1`. */
  readonly version: string;
}

export interface CriuSurroundings {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** omx's own folder: `<home>/criu/criu` is where a private CRIU is unpacked. */
  readonly home?: string;
  readonly run?: RunProgram;
}

/** Older ones fail on newer kernels (time namespaces, rseq, the vdso), and have no `--unprivileged`. */
const oldestMajor = 4;
const hint = '`omx doctor --fix` installs one; or name one with OMX_CRIU';

/**
 * The CRIU to use: `OMX_CRIU` alone where it is set, else the first one of PATH and omx's own folder that is new enough.
 * @throws LAUNCHER_UNAVAILABLE with what was found instead
 */
export async function findCriu(surroundings: CriuSurroundings = {}): Promise<Criu> {
  const { env = process.env, home, run = runProgram } = surroundings;
  const named = env['OMX_CRIU'];
  const candidates =
    named !== undefined && named !== ''
      ? [named]
      : [
          // Debian keeps it where a user's PATH does not look.
          findProgram('criu', [...pathFolders(env['PATH']), '/usr/local/sbin', '/usr/sbin']),
          home === undefined ? undefined : findProgram('criu', [join(home, 'criu')]),
        ].filter((path) => path !== undefined);
  const problems: string[] = [];
  for (const path of candidates) {
    const version = criuVersion((await run(path, ['--version'])).stdout);
    if (version === undefined) problems.push(`${path} does not say its version`);
    else if (Number(version.split('.', 1)[0]) < oldestMajor) problems.push(`${path} is ${version}, too old`);
    else return { path, version };
  }
  throw new OmxError(`no CRIU ${oldestMajor} or newer here${problems.length === 0 ? '' : `: ${problems.join('; ')}`}`, {
    code: 'LAUNCHER_UNAVAILABLE',
    hint,
  });
}

export function criuVersion(text: string): string | undefined {
  return /^Version: (\d+(?:\.\d+)*)/m.exec(text)?.[1];
}

/** Negative where `a` is the older one. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number));
  for (let i = 0; i < Math.max(left?.length ?? 0, right?.length ?? 0); i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
