import { type BatchSpec, formatBytes, type NodeInfo } from '@omx/core';
import { isLabelled, isNamed, nodesFor, type Requirement, suits } from '@omx/queue';

/** So many nodes are named one by one. */
const mostNamed = 5;

/**
 * What is asked that no node known could ever give, beside what the best of them have; undefined where one could, be it
 * down or drained now.
 */
export function neverPlaced(asked: Requirement, nodes: readonly NodeInfo[]): string | undefined {
  const workers = nodes.filter((node) => node.role !== 'home');
  if (workers.some((node) => suits(asked, node))) return undefined;
  const named = workers.filter((node) => isNamed(asked, node));
  if (named.length === 0 && asked.nodes.length > 0) return noneNamed(asked, nodes);
  if (named.length === 0) return nobodyTakes(nodes);
  const labelled = named.filter((node) => isLabelled(asked, node));
  if (labelled.length === 0)
    return `it asks for a node with ${labelText(asked.labels)} (--label), and there is none: ${listOf(named, ({ name, labels }) => `${name} has ${labelText(labels) || 'no labels'}`)}`;
  const among =
    labelled.length === workers.length ? '' : ` of those with ${wanted({ ...asked, cpus: 1, memBytes: 0 })}`;
  const large = labelled.toSorted((a, b) => b.maxSlots - a.maxSlots);
  const roomy = labelled.toSorted((a, b) => b.memTotal - a.memTotal);
  const [mostSlots, mostMemory] = [large[0] as NodeInfo, roomy[0] as NodeInfo];
  if (asked.cpus > mostSlots.maxSlots)
    return `it asks for ${asked.cpus} slots (--cpus), more than any node${among} has: ${listOf(large, slotsText)}`;
  if (asked.memBytes > mostMemory.memTotal)
    return `it asks for ${formatBytes(asked.memBytes)} of memory (--mem), more than any node${among} has: ${listOf(roomy, memoryText)}`;
  return `it asks for ${asked.cpus} slots and ${formatBytes(asked.memBytes)} of memory (--cpus, --mem), and no node${among} has both: ${listOf(large, bothText)}`;
}

/** Why none of the nodes takes such a job, for as long as they stay as they are; empty where one that is up could. */
export function notPlaced(asked: Requirement, nodes: readonly NodeInfo[]): string[] {
  if (nodes.length === 0)
    return ['no node has joined yet; omx up starts a worker here, omx worker is one in the foreground'];
  const able = nodesFor(asked, nodes);
  const working = able.filter((node) => node.role !== 'home');
  if (working.some((node) => node.state === 'up')) return [];
  const states = listOf(able, (node) => `${node.name} is ${stateText(node)}`);
  if (able.length === nodes.length) return [`${nobodyTakes(nodes)}; omx up starts a worker here`];
  if (working.length > 0) return [`no other node could run it: ${states} (it asks for ${wanted(asked)})`];
  return [
    `${neverPlaced(asked, nodes)}; it waits for a node that has it`,
    ...able.map((node) => `${node.name} could run it, and is ${stateText(node)}`),
  ];
}

function nobodyTakes(nodes: readonly NodeInfo[]): string {
  return `no node takes jobs: ${listOf(nodes, (node) => `${node.name} is ${stateText(node)}`)}`;
}

function noneNamed({ nodes: names }: Requirement, nodes: readonly NodeInfo[]): string {
  return names
    .map((name) =>
      nodes.some((node) => node.name === name)
        ? `it asks for node ${name} (--node), which is a home node and takes no jobs`
        : `it asks for node ${name} (--node), which has never joined`,
    )
    .join('; ');
}

/** In the words of the command line. */
function wanted({ nodes, labels, cpus, memBytes, launcher }: Requirement): string {
  return [
    ...(nodes.length === 0 ? [] : [`--node ${nodes.join(',')}`]),
    ...Object.entries(labels).map(([key, value]) => `--label ${key}=${value}`),
    ...(cpus === 1 ? [] : [`--cpus ${cpus}`]),
    ...(memBytes === 0 ? [] : [`--mem ${formatBytes(memBytes)}`]),
    ...(launcher === undefined ? [] : [`--launcher ${launcher}`]),
  ].join(' ');
}

function stateText({ name, state, role, reason }: NodeInfo): string {
  if (role === 'home') return 'a home node, which takes no jobs';
  const why = reason === '' || reason === undefined ? '' : ` (${reason})`;
  const mend = state === 'down' ? '' : `; omx undrain ${name} lets it take jobs again`;
  return `${state}${why}${mend}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' and ');
}

function slotsText({ name, maxSlots }: NodeInfo): string {
  return `${name} has ${maxSlots}`;
}

function memoryText({ name, memTotal }: NodeInfo): string {
  return `${name} has ${formatBytes(memTotal)}`;
}

function bothText({ name, maxSlots, memTotal }: NodeInfo): string {
  return `${name} has ${maxSlots} and ${formatBytes(memTotal)}`;
}

function listOf(nodes: readonly NodeInfo[], text: (node: NodeInfo) => string): string {
  const shown = nodes.slice(0, mostNamed).map(text);
  return nodes.length > mostNamed ? `${shown.join(', ')} and ${nodes.length - mostNamed} more` : shown.join(', ');
}

/** The options of the batch for which only criu will do. */
export function needing({ checkpointMs, oversubscribe, forkMigrate }: BatchSpec): string[] {
  return [
    ...(checkpointMs === undefined ? [] : ['--checkpoint-every']),
    ...(oversubscribe ? ['--oversubscribe'] : []),
    ...(forkMigrate ? ['--fork-migrate'] : []),
  ];
}
