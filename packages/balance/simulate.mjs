// npm run -w @omx/balance simulate: prints what balancing does in the report's cases, and what a decision takes.
import { decide, emptyHistory } from './dist/index.js';
import { simulate } from './dist/simulator/simulate.js';
import { distKeyGen, forkedFibonacci, multifibo, visitor } from './dist/simulator/cases.js';
import { seeded } from './dist/simulator/seeded.js';

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

const cases = [
  { title: 'DistKeyGen, 5 jobs on 3 nodes', world: distKeyGen, alone: 300_000 },
  { title: 'multifibo 45 as jobs, longest first, 3 nodes', world: multifibo, alone: 100_000 },
  { title: 'multifibo 45 as forked children, 3 nodes', world: forkedFibonacci, alone: 100_000 },
];
for (const { title, world, alone } of cases) {
  for (const isBalanced of [false, true]) {
    const { makespanMs = NaN, moves } = simulate(world(isBalanced));
    const gain = (alone / makespanMs).toFixed(2);
    console.log(
      `${title}, balance ${isBalanced ? 'on' : 'off'}: ${seconds(makespanMs)}, ${gain} × one node, ${moves.length} moves`,
    );
  }
}

console.log('3.3.2: others come to n2 at 60 s with three CPUs’ work and leave at 180 s');
for (const { at, job, from, to, reason } of simulate(visitor(true)).moves)
  console.log(`  ${seconds(at).padStart(8)}  ${job} ${from} → ${to}: ${reason}`);

// The worst is a cluster in which every node is crowded, each differently, and hardly anything is worth a move.
const crowds = {
  'a few crowded nodes': (random) => Math.floor(random() ** 2 * 1000),
  'all crowded about equally': (random) => Math.floor(random() * 1000),
};
for (const [title, where] of Object.entries(crowds)) {
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
    node: `n${where(random)}`,
    cpus: 1,
    rss: Math.floor(random() * 2 ** 28),
    ageMs: 60_000,
    moves: 0,
  }));
  let history = emptyHistory;
  const took = [];
  let decided = 0;
  for (let round = 0; round < 6; round += 1) {
    const began = performance.now();
    const { migrations, history: next } = decide({ nodes, jobs }, history, { now: round * 1000, random });
    took.push(performance.now() - began);
    history = next;
    decided += migrations.length;
  }
  const rounds = `rounds of ${took.map((ms) => ms.toFixed(0)).join(', ')} ms`;
  console.log(`1,000 nodes, 100,000 jobs, ${title}: ${decided} moves decided in ${rounds}`);
}
