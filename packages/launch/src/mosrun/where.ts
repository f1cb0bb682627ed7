import { integerOf, readInteger, readLines, readText } from '../host/read.ts';
import type { Whereabouts } from '../launcher.ts';
import type { LiveDialect } from './dialect.ts';
import { explainReasons } from './reasons.ts';

/**
 * Where one process is, by the kernel's files for it. They belong to the pid at home, vanish with it and may be read
 * half-written: what cannot be read stays undefined. MOSIX 4 has no such files, see `mosps.ts`.
 */
export function readWhere(dialect: Exclude<LiveDialect, 'mosix-4'>, proc: string, pid: number): Whereabouts {
  const folder = `${proc}/${pid}`;
  switch (dialect) {
    case 'openmosix-2.4':
      return readOpenMosix(folder);
    case 'openmosix-2.6':
      return readOpenMosix26(`${folder}/om`);
    case 'mosix-2':
    case 'mosix-3':
      return readMosixKernel(folder);
  }
}

/** Source: openMosix HOWTO, administration: `where` (0: here), `nmigs`, `lock`, `cantmove`. */
function readOpenMosix(folder: string): Whereabouts {
  const where = readInteger(`${folder}/where`);
  const migrations = readInteger(`${folder}/nmigs`);
  const locked = readInteger(`${folder}/lock`) === 1;
  const words = `${readText(`${folder}/cantmove`) ?? ''}${locked ? '\nuser_lock' : ''}`;
  return {
    ...(where !== undefined && where > 0 ? { node: String(where) } : {}),
    ...(migrations !== undefined && migrations >= 0 ? { migrations } : {}),
    cannotMove: explainReasons(words),
  };
}

/** Source: LinuxPMI patch. `where` is `home`, an address, or `migrating`; nothing counts moves. */
function readOpenMosix26(folder: string): Whereabouts {
  const where = readLines(`${folder}/where`)[0];
  const cannotMove = explainReasons(readText(`${folder}/stay`) ?? '');
  return where === undefined || where === 'home' || where === 'migrating'
    ? { cannotMove }
    : { node: where, cannotMove };
}

/** Source: gossimon `readproc.c`. `where` is -3 outside MOSIX, 0 for here, else an address. */
function readMosixKernel(folder: string): Whereabouts {
  const where = readLines(`${folder}/where`)[0];
  if (integerOf(where) === -3) return { cannotMove: ['it does not run under MOSIX, so nothing moves it'] };
  const frozen = (readInteger(`${folder}/freezer`) ?? 0) > 0 ? ['MOSIX has frozen it'] : [];
  const isAddress = where !== undefined && /^\d{1,3}(\.\d{1,3}){3}$/.test(where) && where !== '0.0.0.0';
  return isAddress ? { node: where, cannotMove: frozen } : { cannotMove: frozen };
}

/** One answer for a job of several processes, which migrate each on its own. The first one is the job's own. */
export function mergeWhere(parts: readonly (readonly [number, Whereabouts])[]): Whereabouts {
  const nodes = [...new Set(parts.flatMap(([, part]) => (part.node === undefined ? [] : [part.node])))];
  const counts = parts.flatMap(([, part]) => (part.migrations === undefined ? [] : [part.migrations]));
  return {
    ...(nodes.length === 0 ? {} : { node: nodes.join(',') }),
    ...(counts.length === 0 ? {} : { migrations: counts.reduce((sum, count) => sum + count, 0) }),
    cannotMove: parts.flatMap(([pid, part], index) =>
      part.cannotMove.map((reason) => (index === 0 ? reason : `process ${pid}: ${reason}`)),
    ),
  };
}
