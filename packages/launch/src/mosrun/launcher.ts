import { OmxError } from '@omx/core';
import { runProgram, type RunProgram } from '../host/program.ts';
import { descendants } from '../host/process-tree.ts';
import { machineRoots, type Roots } from '../host/roots.ts';
import type { Launcher, LaunchPlan, LaunchRequest, Placement, Whereabouts } from '../launcher.ts';
import { mosrunArgv, type UnsupportedCalls } from './commands.ts';
import type { MosrunFound } from './detect.ts';
import { dialectTitles, isMosix, type LiveDialect } from './dialect.ts';
import { mospsReader, type MospsTable } from './mosps.ts';
import { programInspector, type Inspect } from './preflight.ts';
import { mergeWhere, readWhere } from './where.ts';

export interface MosrunLauncherOptions {
  readonly found: MosrunFound;
  readonly roots?: Roots;
  readonly run?: RunProgram;
  readonly inspect?: Inspect;
  /** @defaultValue 'error' */
  readonly unsupported?: UnsupportedCalls;
}

/** Starts programs through mosrun, so that the cluster's kernel or MOSIX may move them. */
export function mosrunLauncher(options: MosrunLauncherOptions): Launcher {
  const { found, roots = machineRoots, run = runProgram, inspect = programInspector() } = options;
  const dialect = liveDialect(found);
  const { mosps } = found.tools;
  const readMosps = mosps === undefined ? undefined : mospsReader(mosps, run);

  return {
    name: 'mosrun',
    footing: footings[dialect],
    plan: (request) => plan(request, { ...options, dialect, inspect }),
    whereabouts: async (pid) => {
      const pids = descendants(pid, roots);
      if (dialect !== 'mosix-4') return mergeWhere(pids.map((each) => [each, readWhere(dialect, roots.proc, each)]));
      const table: MospsTable = (await readMosps?.().catch(() => undefined)) ?? new Map<number, Whereabouts>();
      return mergeWhere(pids.map((each) => [each, table.get(each) ?? { cannotMove: [] }]));
    },
  };
}

const footings: Readonly<Record<LiveDialect, string>> = {
  'openmosix-2.4': 'mosrun: the kernel migrates it (openMosix balances the load by itself)',
  'openmosix-2.6': 'mosrun: the kernel migrates it, but only when told (openMosix 2.6 does not balance by itself)',
  'mosix-2': 'mosrun: MOSIX 2 migrates it',
  'mosix-3': 'mosrun: MOSIX 3 migrates it',
  'mosix-4': 'mosrun: MOSIX 4 migrates it',
};

function liveDialect(found: MosrunFound): LiveDialect {
  const { dialect, mosrun, problem } = found;
  if (dialect === 'none' || problem !== undefined || (mosrun === undefined && dialect !== 'openmosix-2.6')) {
    throw new OmxError(`cannot use mosrun: ${problem ?? 'no cluster answers'}`, { code: 'LAUNCHER_UNAVAILABLE' });
  }
  return dialect;
}

interface Means extends MosrunLauncherOptions {
  readonly dialect: LiveDialect;
  readonly inspect: Inspect;
}

function plan(request: LaunchRequest, means: Means): LaunchPlan {
  const { dialect, found, inspect, unsupported } = means;
  const placement = request.placement ?? { kind: 'balanced' };
  const program = request.argv[0];
  const seen =
    program === undefined
      ? { reasons: [], isUnfit: false }
      : inspect({
          program,
          ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
          ...(request.path === undefined ? {} : { path: request.path }),
        });
  // MOSIX kills such a program, or fails calls it cannot do without: better at home than not at all.
  if (isMosix(dialect) && seen.isUnfit) {
    const native = `it is started without mosrun and so on its home node, because it could not run under ${dialectTitles[dialect]}`;
    return { argv: [...request.argv], env: [], cannotMove: [...seen.reasons, native] };
  }
  const argv = mosrunArgv({
    dialect,
    mosrun: found.mosrun ?? '',
    argv: request.argv,
    placement,
    ...(request.memBytes === undefined ? {} : { memBytes: request.memBytes }),
    ...(request.groupId === undefined ? {} : { groupId: request.groupId }),
    ...(unsupported === undefined ? {} : { unsupported }),
  });
  return { argv, env: [], cannotMove: [...asked(placement), ...seen.reasons] };
}

function asked(placement: Placement): readonly string[] {
  if (placement.kind === 'home') return ['it was asked to stay on its home node'];
  return placement.kind === 'pinned' ? [`it was asked to stay on node ${placement.node}`] : [];
}
