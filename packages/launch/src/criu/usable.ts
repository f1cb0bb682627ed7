import { OmxError } from '@omx/core';
import { type CriuProgram, findCriu, oldestCriu } from '../host/criu-program.ts';
import { runProgram, type RunProgram } from '../host/program.ts';

/** The CRIU to use. @throws LAUNCHER_UNAVAILABLE with what was found instead */
export async function usableCriu(
  env: Readonly<Record<string, string | undefined>> = process.env,
  run: RunProgram = runProgram,
): Promise<CriuProgram> {
  const { found, older } = await findCriu(env, run);
  if (found !== undefined) return found;
  const seen = older.map(({ file, version }) => `${file} is ${version}, too old`).join('; ');
  const named = env['OMX_CRIU'] ? `OMX_CRIU=${env['OMX_CRIU']} is none, or too old` : '';
  throw new OmxError(`no CRIU ${oldestCriu} or newer here${seen || named ? `: ${seen || named}` : ''}`, {
    code: 'LAUNCHER_UNAVAILABLE',
    hint: '`omx doctor` says how to get one; OMX_CRIU names another one',
  });
}

/** Negative where `a` is the older one. */
export function compareVersions(a: string, b: string): number {
  const [left = [], right = []] = [a, b].map((text) => text.split('.').map((part) => Number.parseInt(part, 10) || 0));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
