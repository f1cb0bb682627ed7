/** Steps of one run: about a millisecond on a machine of these years. */
const runSteps = 1_000_000;
/** A good measurement for the start of a worker. */
const budgetMs = 25;

/**
 * The speed of one CPU: steps of a fixed loop of integer operations a microsecond, which only compares nodes, as
 * openMosix's yardstick did. The best of many short runs, because a busy machine takes the processor away from most
 * long ones.
 *
 * @param ms - how long it takes, about; one run at least
 */
export function measureSpeed(ms = budgetMs): number {
  const end = performance.now() + ms;
  let best = Infinity;
  for (let runs = 0; runs === 0 || performance.now() < end; runs += 1) {
    const start = performance.now();
    sink ^= loop(runSteps, runs + 1);
    best = Math.min(best, performance.now() - start);
  }
  return Math.round(runSteps / (best * 1000));
}

/** Kept, so that no compiler may leave the loop out. */
let sink = 0;

/** Marsaglia's xorshift: each step needs the one before, so neither vectors nor a deep pipeline hide the clock's speed. */
function loop(steps: number, seed: number): number {
  let value = seed;
  for (let step = 0; step < steps; step += 1) {
    value ^= value << 13;
    value ^= value >>> 17;
    value ^= value << 5;
  }
  return value;
}
