import { randomFrom } from '../kit/plan.ts';
import { signals } from '../kit/strike.ts';
import { faults, type Trouble, wants } from './faults.ts';
import { type Moment, moments } from './moments.ts';

/** What happens in one random round. All of it follows from the seed. */
export interface Round {
  readonly seed: number;
  /** Memory of the job. */
  readonly mib: number;
  /** One after the other, each to the node where the job is not. */
  readonly moves: readonly PlannedMove[];
}

export interface PlannedMove {
  /** The trouble comes at this step of the move, or so many milliseconds after the command. */
  readonly at: Moment | number;
  readonly trouble: Trouble;
}

/** From the start of `omx migrate` until a job of this size has arrived. */
const longestMs = 1500;

export function roundOf(seed: number): Round {
  const random = randomFrom(seed);
  const below = (most: number): number => Math.floor(random() * most);
  const oneOf = <T>(choices: readonly T[]): T => choices[below(choices.length)] as T;
  return {
    seed,
    mib: oneOf([1, 8, 32, 64]),
    moves: Array.from({ length: 1 + below(3) }, () => ({
      at: random() < 0.6 ? oneOf(moments) : below(longestMs),
      trouble: {
        fault: oneOf([...faults, ...wants]),
        signal: oneOf(signals),
        ...(random() < 0.4 ? {} : { lastsMs: below(6000) }),
      },
    })),
  };
}

export function describeRound({ seed, mib, moves }: Round): string {
  const each = moves.map(
    ({ at, trouble: { fault, signal, lastsMs } }) =>
      `${typeof at === 'number' ? `+${at} ms` : at} ${signal} ${fault} ${lastsMs === undefined ? 'until noticed' : `for ${lastsMs} ms`}`,
  );
  return `seed ${seed}: ${mib} MiB; ${each.join('; ')}`;
}
