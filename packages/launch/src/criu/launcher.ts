import { bytesOf } from '@omx/core';
import type { Launcher, LaunchPlan, LaunchRequest } from '../launcher.ts';
import { capsuleBinary } from './capsule-binary.ts';
import { runArgv } from './commands.ts';
import { capsuleShape } from './shape.ts';

/** "Kill the job and tell its usage", in place of SIGKILL; `native/capsule/capsule.h` says the same. */
const orderSignal = 40;

/** Files of a job's folder, on the host and, below the capsule's mount point, as the job sees them. */
export const folderFiles = { out: 'out', err: 'err', tmp: 'tmp' } as const;

/** Starts the program in a capsule, so that omx may freeze it and go on with it on another node. */
export const criuLauncher: Launcher = {
  name: 'criu',
  footing: 'criu: omx can freeze it and go on with it on another node',
  plan,
  whereabouts: () => Promise.resolve({ cannotMove: [] }),
};

function plan({ argv, folder, cwd, stdin }: LaunchRequest): LaunchPlan {
  if (folder === undefined) throw new Error('a capsule needs a folder');
  const shape = capsuleShape();
  const inside = (name: string) => bytesOf(`${shape.mount}/${name}`);
  return {
    argv: runArgv({
      ...{ capsule: capsuleBinary(), shape, folder, command: argv },
      ...(cwd === undefined ? {} : { cwd }),
      ...(stdin === undefined ? {} : { stdin }),
      stdout: inside(folderFiles.out),
      stderr: inside(folderFiles.err),
    }),
    // What it puts there goes along when it moves.
    env: [bytesOf(`TMPDIR=${inside(folderFiles.tmp)}`)],
    killSignal: orderSignal,
    cannotMove: [],
  };
}
