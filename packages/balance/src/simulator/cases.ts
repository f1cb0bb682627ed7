import type { SimulatedJob, SimulatedNode, World } from './world.ts';

/** Three equal nodes of one processor; where nothing moves, the queue gives each one job at a time. */
function threeNodes(slots: number | undefined): SimulatedNode[] {
  return ['n1', 'n2', 'n3'].map((name) => ({ name, ...(slots === undefined ? {} : { slots }) }));
}

/** The report's DistKeyGen: five equal jobs on three equal nodes; a minute each. */
export function distKeyGen(isBalanced: boolean, seed = 1, learns = false): World {
  const jobs = Array.from({ length: 5 }, (_each, at) => ({ id: `b1.${at}`, workMs: 60_000, rss: 8e6 }));
  return { nodes: threeNodes(isBalanced ? undefined : 1), jobs, seed, isBalanced, learns };
}

/** The calls of a plain recursion grow by the golden ratio: so much of all is in the last number. */
const golden = (1 + Math.sqrt(5)) / 2;
function fibonacci(count: number, allMs: number): SimulatedJob[] {
  return Array.from({ length: count }, (_each, at) => ({
    id: `b1.${count - at}`,
    workMs: allMs * (1 - 1 / golden) * golden ** -at,
    rss: 2e6,
  }));
}

/** The report's multifibo 45 as a job a number, the longest first; 100 s in all. */
export function multifibo(isBalanced: boolean, seed = 1): World {
  return { nodes: threeNodes(1), jobs: fibonacci(45, 100_000), seed, isBalanced };
}

/** The same as one program that forks all its children at once on the first node. */
export function forkedFibonacci(isBalanced: boolean, seed = 1): World {
  const jobs = fibonacci(45, 100_000).map((job) => ({ ...job, node: 'n1' }));
  return { nodes: threeNodes(undefined), jobs, seed, isBalanced };
}

/** The report's 3.3.2: two jobs a node; from 60 s to 180 s the owner of n2 runs something with three busy threads. */
export function visitor(isBalanced: boolean, seed = 1): World {
  const external = (ms: number): number => (ms >= 60_000 && ms < 180_000 ? 3 : 0);
  const nodes = threeNodes(undefined).map((node) => (node.name === 'n2' ? { ...node, external } : node));
  const jobs = Array.from({ length: 6 }, (_each, at) => ({ id: `b1.${at}`, workMs: 200_000, rss: 5e6 }));
  return { nodes, jobs, seed, isBalanced };
}
