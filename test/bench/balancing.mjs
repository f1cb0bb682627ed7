import { decide, emptyHistory } from '@omx/balance';

/** The policy that says which running jobs move. In the form of `questions.mjs`. */
export const balancing = [
  {
    name: 'balance of a large cluster',
    against: 'a second, as often as it is decided; CPU time',
    answer(short) {
      const [nodes, jobs] = short ? [50, 5000] : [1000, 100_000];
      const crowds = {
        'a few crowded': (random) => Math.floor(random() ** 2 * nodes),
        'all about equally crowded': (random) => Math.floor(random() * nodes),
      };
      return Object.entries(crowds).map(([title, where]) => {
        const { took, moves } = rounds(nodes, jobs, where);
        return {
          what: `${nodes} nodes, ${jobs} jobs, ${title}`,
          value: Math.max(...took) / 1000,
          unit: 's, the slowest round',
          reach: 1,
          note: `${took.map((each) => each.toFixed(0)).join(', ')} ms; ${moves} moves`,
        };
      });
    },
  },
];

function rounds(nodeCount, jobCount, where) {
  let seed = 1;
  // A generator of the bench's own, so that every run decides the same.
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const nodes = Array.from({ length: nodeCount }, (_, at) => ({
    ...{ name: `n${at}`, state: 'up', role: 'both', cpus: 64, memTotal: 2 ** 38 },
    speed: 1 + Math.floor(random() * 3) / 2,
    externalLoad: random() < 0.1 ? 64 : 0,
    memFree: random() < 0.05 ? 2 ** 33 : 2 ** 37,
  }));
  const jobs = Array.from({ length: jobCount }, (_, at) => ({
    ...{ id: `b1.${at}`, node: `n${where(random)}`, cpus: 1, ageMs: 60_000, moves: 0 },
    rss: Math.floor(random() * 2 ** 28),
  }));
  let history = emptyHistory;
  let moves = 0;
  const took = [];
  for (let round = 0; round < 8; round += 1) {
    const began = process.cpuUsage();
    const { migrations, history: next } = decide({ nodes, jobs }, history, { now: round * 1000, random });
    const { user, system } = process.cpuUsage(began);
    took.push((user + system) / 1000);
    history = next;
    moves += migrations.length;
  }
  return { took, moves };
}
