// npm run -w @omx/balance simulate: prints what balancing does in the report's cases, and what a decision takes.
import { decide, emptyHistory } from './dist/index.js';
import { simulate } from './dist/simulator/simulate.js';
import { distKeyGen, forkedFibonacci, multifibo, visitor } from './dist/simulator/cases.js';
import { seeded } from './dist/simulator/seeded.js';

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

for (const [title, world, alone] of [
  ['DistKeyGen, 5 jobs on 3 nodes', distKeyGen, 5 * 60_000],
  ['multifibo 45 as jobs, longest first, 3 nodes', multifibo, 100_000],
  ['multifibo 45 as forked children, 3 nodes', forkedFibonacci, 100_000],
]) {
  for (const isBalanced of [false, true]) {
    const { makespanMs, moves } = simulate(world(isBalanced));
    const gain = (alone / makespanMs).toFixed(2);
    console.log(
      `${title}, balance ${isBalanced ? 'on ' : 'off'}: ${seconds(makespanMs)}, ${gain} × one node, ${moves.length} moves`,
    );
  }
}

console.log('3.3.2: others come to n2 at 60 s with three CPUs’ work and leave at 180 s');
for (const { at, job, from, to, reason } of simulate(visitor(true)).moves)
  console.log(`  ${seconds(at).padStart(8)}  ${job} ${from} → ${to}: ${reason}`);

const random = seeded(1);
const nodes = Array.from({ length: 1000 }, (_, at) => ({
  name: `n${at}`,
  state: 'up',
  role: 'both',
  cpus: 64,
  speed: 1 + Math.floor(random() * 3) / 2,
  externalLoad: random() < 0.1 ? 64 : 0,
  memTotal: 2 ** 38,
  memFree: random() < 0.05 ? 2 ** 33 : 2 ** 37,
}));
const jobs = Array.from({ length: 100_000 }, (_, at) => ({
  id: `b1.${at}`,
  node: `n${Math.floor(random() ** 2 * 1000)}`,
  cpus: 1,
  rss: Math.floor(random() * 2 ** 28),
  ageMs: 60_000,
  moves: 0,
}));
let history = emptyHistory;
for (let round = 0; round < 6; round += 1) {
  const began = performance.now();
  const decided = decide({ nodes, jobs }, history, { now: round * 1000, random });
  history = decided.history;
  const took = performance.now() - began;
  console.log(
    `1,000 nodes, 100,000 jobs, round ${round}: ${decided.migrations.length} moves decided in ${took.toFixed(0)} ms`,
  );
}
