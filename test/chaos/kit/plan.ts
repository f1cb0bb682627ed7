import { signals, type Signal, type Victim, victims } from './strike.ts';

/** What happens in one random round. All of it follows from the seed. */
export interface Plan {
  readonly seed: number;
  readonly kind: 'machine' | 'cluster';
  readonly nodes: number;
  readonly slots: number;
  /** How long each job computes, milliseconds. */
  readonly jobs: readonly number[];
  /** One after the other. */
  readonly blows: readonly PlannedBlow[];
}

export interface PlannedBlow {
  /** Milliseconds after the submit, or after the one before is mended. */
  readonly atMs: number;
  readonly victim: Victim;
  readonly signal: Signal;
  /** Which node. */
  readonly node: number;
  /** It lasts so long; undefined: until others have noticed. */
  readonly lastsMs: number | undefined;
}

/** So few that no job can die with its node until it is given up. */
const mostBlows = 3;

export function planOf(seed: number, canCluster: boolean): Plan {
  const random = randomFrom(seed);
  const below = (most: number): number => Math.floor(random() * most);
  const oneOf = <T>(choices: readonly T[]): T => choices[below(choices.length)] as T;
  const kind = canCluster && random() < 0.4 ? 'cluster' : 'machine';
  const nodes = 2 + below(2);
  return {
    seed,
    kind,
    nodes,
    slots: 1 + below(2),
    jobs: Array.from({ length: 6 + below(15) }, () => oneOf([50, 100, 300, 1000, 3000])),
    blows: Array.from({ length: 1 + below(mostBlows) }, () => ({
      atMs: below(2500),
      // A node of one machine cannot die alone, and a submitter has no machine of its own.
      victim: oneOf(victims.filter((victim) => victim !== (kind === 'machine' ? 'node' : 'submitter'))),
      signal: oneOf(signals),
      node: below(nodes),
      lastsMs: random() < 0.3 ? undefined : below(7000),
    })),
  };
}

export function describePlan({ seed, kind, nodes, slots, jobs, blows }: Plan): string {
  const each = blows.map(
    ({ atMs, victim, signal, node, lastsMs }) =>
      `+${atMs} ms ${signal} ${victim} (n${node + 1}) ${lastsMs === undefined ? 'until noticed' : `for ${lastsMs} ms`}`,
  );
  return `seed ${seed}: ${kind}, ${nodes} nodes of ${slots}, jobs of ${jobs.join(' ')} ms; ${each.join('; ')}`;
}

/** Numbers from 0 to below 1. Source: mulberry32, Tommy Ettinger, public domain. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
