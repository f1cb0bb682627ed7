import { root } from '../kit/open-home.ts';

/** Seconds, as `time` prints them. */
export interface Times {
  readonly real: number;
  readonly user: number;
  readonly sys: number;
}

export const setups = ['A', 'B', 'C'] as const;
/** As the report's tables are lettered: a fast machine, the cluster, one machine of the cluster. */
export type Setup = (typeof setups)[number];

export interface Experiment {
  readonly title: string;
  readonly name: string;
  readonly cwd: string;
  /** Of `omx submit`, the command included. */
  readonly args: readonly string[];
  /** The report's table for it. */
  readonly report: Readonly<Record<Setup, Times>>;
  /** The best speed-up that three equal machines can give, as no job can be divided. */
  readonly limit: number;
  readonly reach: Reach;
  /** With jobs that omx moves while they run: what is asked of it beside that, and the speed-up to reach. */
  readonly moved: { readonly args: readonly string[]; readonly speedUp: number };
}

/** The same experiment with jobs that omx moves. */
export function moved(experiment: Experiment): Experiment {
  const { args } = experiment.moved;
  return { ...experiment, args: ['--launcher', 'criu', '--balance', 'on', ...args, ...experiment.args] };
}

export interface Reach {
  readonly speedUp: number;
  /** The part by which the CPU time of all nodes together may differ from that of one. */
  readonly userDiffers: number;
}

const minutes = (count: number, seconds: number): number => count * 60 + seconds;

/**
 * From 1 to `largest`, the longest first: begun last, it would run on alone at the end. The nth takes as many calls as the
 * nth Fibonacci number counts, so the largest is 1/2.618 of the whole (the square of the golden ratio).
 */
function multifibo(
  largest: number,
  report: Experiment['report'],
  reach: Reach,
  { remark = '', movedSpeedUp = reach.speedUp } = {},
): Experiment {
  return {
    title: `multifibo ${largest}: a job for each of the Fibonacci numbers 1 to ${largest}, the longest first${remark}`,
    name: `multifibo ${largest}`,
    cwd: `${root}/examples/multifibo`,
    args: ['--array', `1-${largest}`, '--order', 'reverse', '--parse', 'fib', '--', './build/fib', '{}'],
    report,
    limit: 2.618,
    reach,
    // The longest needs a node to itself from the beginning to the end, so each waits for its slot.
    moved: { args: [], speedUp: movedSpeedUp },
  };
}

/**
 * Five jobs of equal work on three machines: two of them have two, which takes two fifths of the whole. Primes are found
 * by chance, and that evens out over many pairs, not over few large ones: hence many short pairs.
 */
function distkeygen(pairs: number, reach: Reach, movedSpeedUp: number): Experiment {
  return {
    title: `DistKeyGen: five jobs of ${pairs} RSA key pairs of 512 bits each`,
    name: 'DistKeyGen',
    cwd: `${root}/examples/distkeygen`,
    args: ['--array', '0-4', '--parse', 'keygen', '--', './build/distkeygen', '{}', String(pairs), '512'],
    report: {
      A: { real: minutes(30, 39.566), user: minutes(29, 30.55), sys: 9.25 },
      B: { real: minutes(31, 11.394), user: minutes(86, 58.08), sys: minutes(1, 36.97) },
      C: { real: minutes(85, 23.61), user: minutes(85, 1.46), sys: 21.44 },
    },
    limit: 2.5,
    reach,
    // All begin at once, as openMosix had it, and are evened out.
    moved: { args: ['--oversubscribe'], speedUp: movedSpeedUp },
  };
}

const fibo40 = {
  A: { real: 13.64, user: 12.4, sys: 0.03 },
  B: { real: 27.104, user: 48.68, sys: 0.32 },
  C: { real: 48.634, user: 48.58, sys: 0.05 },
};

const fibo45 = {
  A: { real: minutes(3, 25.045), user: minutes(3, 9.33), sys: 0.24 },
  B: { real: minutes(4, 20.371), user: minutes(8, 58.88), sys: 1.21 },
  C: { real: minutes(8, 58.827), user: minutes(8, 57.67), sys: 1.12 },
};

/** During which the busiest node is drained. */
export function drainExperiment(short: boolean): Experiment {
  return multifibo(short ? 43 : 45, fibo45, { speedUp: 0, userDiffers: 0 });
}

export function experiments(short: boolean): readonly Experiment[] {
  // Small loads show that it works, not how well: chance and every start weigh more.
  const loose = { speedUp: 1.8, userDiffers: 0.25 };
  const movedSpeedUp = 1.2;
  const userDiffers = 0.05;
  return short
    ? [multifibo(40, fibo40, loose, { movedSpeedUp }), distkeygen(150, loose, movedSpeedUp)]
    : [
        // Today 40 is a matter of seconds, of which starting takes a part.
        multifibo(42, fibo40, { speedUp: 2.45, userDiffers }, { remark: '; beside it the report’s 40' }),
        multifibo(44, fibo45, { speedUp: 2.45, userDiffers }, { remark: '; beside it the report’s 45' }),
        // As long as the moves, of which there are two or three whatever the size, take a small part.
        distkeygen(5000, { speedUp: 2.4, userDiffers }, 2.75),
      ];
}
