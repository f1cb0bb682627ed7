import type { RunProgram } from '../host/program.ts';
import { integerOf } from '../host/read.ts';
import type { Whereabouts } from '../launcher.ts';

export type MospsTable = ReadonlyMap<number, Whereabouts>;

/**
 * Reads `mosps -n`. Which columns there are depends on version and flags, so a cell is found under its heading: by
 * place in the row for the columns before the command, which is the last one and may hold blanks.
 */
export function parseMosps(text: string): MospsTable {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const headings = (lines[0] ?? '').trim().split(/\s+/);
  const column = { pid: headings.indexOf('PID'), where: headings.indexOf('WHERE'), moves: headings.indexOf('NMIGS') };
  const rows = new Map<number, Whereabouts>();
  if (column.pid < 0) return rows;
  for (const line of lines.slice(1)) {
    const cells = line.trim().split(/\s+/);
    // A row with fewer cells than headings has an empty one somewhere: no telling which, so it says nothing.
    if (cells.length < headings.length) continue;
    const pid = integerOf(cells[column.pid]);
    if (pid === undefined) continue;
    const where = cells[column.where] ?? '';
    const migrations = integerOf(cells[column.moves]);
    rows.set(pid, {
      ...(isAway(where) ? { node: where } : {}),
      ...(migrations !== undefined && migrations >= 0 ? { migrations } : {}),
      cannotMove: [],
    });
  }
  return rows;
}

/** Numbers, addresses and host names are elsewhere; the words for "here" are not certain, so all likely ones count. */
function isAway(where: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._:-]*$/.test(where) && !/^(0|here|home|local|away)$/i.test(where);
}

/** Asks mosps; callers that ask while an answer is under way share it, since one run lists every process. */
export function mospsReader(mosps: string, run: RunProgram): () => Promise<MospsTable> {
  let underWay: Promise<MospsTable> | undefined;
  return () => {
    underWay ??= run(mosps, ['-n'])
      .then((end) => (end.exitCode === 0 ? parseMosps(end.stdout) : new Map<number, Whereabouts>()))
      .finally(() => {
        underWay = undefined;
      });
    return underWay;
  };
}
