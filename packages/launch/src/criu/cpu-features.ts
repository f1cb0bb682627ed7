import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OmxError } from '@omx/core';
import { execa } from 'execa';
import type { CriuProgram } from '../host/criu-program.ts';
import { aloneArgv } from './commands.ts';
import { capsuleBinary } from './capsule-binary.ts';
import { criuEnv } from './criu-env.ts';
import { endWhole, ownGroup } from './own-group.ts';

/** As criu calls it. */
const fileName = 'cpuinfo.img';
const remembered = new Map<string, Promise<string>>();

/**
 * What this processor can do, as criu writes it down for another machine's: about a hundred bytes, base64. Found out once
 * for each criu.
 * @throws CPU_UNKNOWN with criu's words
 */
export function dumpCpuFeatures(criu: CriuProgram): Promise<string> {
  const known = remembered.get(criu.file) ?? inFolder((folder) => dump(criu, folder));
  remembered.set(criu.file, known);
  known.catch(() => remembered.delete(criu.file));
  return known;
}

async function dump(criu: CriuProgram, folder: string): Promise<string> {
  const words = await cpuinfo(criu, 'dump', folder);
  if (words === undefined) return readFileSync(join(folder, fileName)).toString('base64');
  throw new OmxError(`criu cannot tell what this processor can do: ${words}`, { code: 'CPU_UNKNOWN' });
}

/**
 * Whether a job from a machine with these features can go on here, in the words of `omx why`; undefined: it can. More
 * features than there do no harm.
 */
export function checkCpuFeatures(criu: CriuProgram, features: string): Promise<string | undefined> {
  return inFolder(async (folder) => {
    writeFileSync(join(folder, fileName), Buffer.from(features, 'base64'));
    const words = await cpuinfo(criu, 'check', folder);
    if (words === undefined) return undefined;
    if (/do not match|mismatch|not supported/i.test(words))
      return 'this processor lacks features of the one where it came from';
    return `the processors cannot be compared: criu says '${words}'`;
  });
}

/** What criu says where it fails. */
async function cpuinfo(criu: CriuProgram, action: 'dump' | 'check', folder: string): Promise<string | undefined> {
  const words = ['cpuinfo', action, '--images-dir', folder, '--work-dir', folder];
  const [file = '', ...args] = aloneArgv({ capsule: capsuleBinary(), criu: criu.file, words });
  const running = execa(file, args, {
    ...{ reject: false, stdin: 'ignore', timeout: 10_000, forceKillAfterDelay: 500, maxBuffer: 1 << 16 },
    ...ownGroup,
    env: criuEnv(),
  });
  endWhole(running);
  const { exitCode, stderr, stdout } = await running;
  if (exitCode === 0) return undefined;
  const last = `${stdout}\n${stderr}`.trim().split('\n').at(-1) ?? '';
  return last.replace(/^Error \([^)]*\): /, '') || 'nothing';
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'omx-cpu-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
