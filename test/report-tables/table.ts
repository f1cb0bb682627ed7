import { bashTime } from '../../packages/cli/src/render/times.ts';
import type { DrainTimes } from './drain.ts';
import { type Experiment, type Setup, setups, type Times } from './experiments.ts';

type Measured = Readonly<Record<Setup, Times>>;

const machines: Readonly<Record<Setup, string>> = {
  A: '(A) the fast node',
  B: '(B) three slow ones',
  C: '(C) one slow node',
};

/** The table of an experiment beside the report's, and whether all was reached. */
export function tableOf(
  { title, report, limit, reach, moved: { speedUp: movedSpeedUp } }: Experiment,
  measured: Measured,
  moved: Times | undefined,
): { readonly lines: readonly string[]; readonly reached: boolean } {
  const speedUp = measured.C.real / measured.B.real;
  const user = measured.B.user / measured.C.user;
  const fast = speedUp >= reach.speedUp;
  const even = Math.abs(user - 1) <= reach.userDiffers;
  const movedFast = moved === undefined || measured.C.real / moved.real >= movedSpeedUp;
  const lines = [
    title,
    row('', ['real', 'user', 'sys'], ['real', 'user', 'sys']),
    ...setups.map((setup) => row(machines[setup], cells(measured[setup]), cells(report[setup]))),
    ...(moved === undefined ? [] : [row('(B) moved by omx', cells(moved), [])]),
    `speed-up C/B       ${speedUp.toFixed(2)}, the report ${ratio(report, 'C', 'B', 'real')}; the limit ${limit}; to reach: ${reach.speedUp}: ${verdict(fast)}`,
    ...(moved === undefined
      ? []
      : [
          `speed-up, moved    ${(measured.C.real / moved.real).toFixed(2)}, the report ${ratio(report, 'C', 'B', 'real')}; to reach: ${movedSpeedUp}: ${verdict(movedFast)}`,
        ]),
    `user time B/C      ${user.toFixed(3)}, the report ${ratio(report, 'B', 'C', 'user', 3)}; to reach: within ${reach.userDiffers * 100} %: ${verdict(even)}`,
    `A against B        ${(measured.B.real / measured.A.real).toFixed(2)}, the report ${ratio(report, 'B', 'A', 'real')} (how long the cluster takes, the fast node taking 1)`,
  ];
  return { lines, reached: fast && even && movedFast };
}

/** What draining a node in the middle costs, beside killing its jobs. */
export function drainTable(
  { title }: Experiment,
  { undisturbed, drained, killed, moved, rerun, emptyAfter }: DrainTimes,
  { most, mustMove }: { readonly most: number; readonly mustMove: boolean },
): { readonly lines: readonly string[]; readonly reached: boolean } {
  const cost = (times: Times): number => times.real / undisturbed.real - 1;
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;
  // Where none moved, or none had to begin again, nobody was disturbed in the middle, and the times say nothing.
  const cheap = cost(drained) < most && ((moved > 0 && rerun > 0) || !mustMove);
  const lines = [
    `Draining: ${title}; in the middle the node of the longest job is drained`,
    row('', ['real', 'user', 'sys'], []),
    row('undisturbed', cells(undisturbed), []),
    row('drained, moved', cells(drained), []),
    row('killed and rerun', cells(killed), []),
    `drained            ${percent(cost(drained))} longer, ${moved} moved, the node empty after ${emptyAfter.toFixed(1)} s; to reach: less than ${percent(most)}: ${verdict(cheap)}`,
    `killed             ${percent(cost(killed))} longer, ${rerun} begun again`,
  ];
  return { lines, reached: cheap };
}

function cells({ real, user, sys }: Times): string[] {
  return [real, user, sys].map(bashTime);
}

function row(name: string, here: readonly string[], there: readonly string[]): string {
  const columns = (texts: readonly string[]): string => texts.map((text) => text.padStart(12)).join('');
  return `${name.padEnd(19)}${columns(here)}${there.length === 0 ? '' : `   |${columns(there)}`}`;
}

function ratio(times: Measured, over: Setup, under: Setup, what: keyof Times, digits = 2): string {
  return (times[over][what] / times[under][what]).toFixed(digits);
}

function verdict(well: boolean): string {
  return well ? 'yes' : 'NO';
}
