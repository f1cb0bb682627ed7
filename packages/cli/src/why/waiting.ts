import { type Batch, type BatchSpec, formatDuration, type Job, type NodeInfo } from '@omx/core';

import { localTime } from '../render/times.ts';

export interface WaitingFacts {
  readonly id: string;
  readonly job: Job;
  readonly batch: Batch;
  /** As reruns have changed it. */
  readonly spec: BatchSpec;
  readonly nodes: readonly NodeInfo[];
  /** Jobs of the batch that nodes hold now. */
  readonly active: number;
  /** How what it waits for is getting on: `b6 is running, 12/40 done`. */
  readonly dependencies: readonly string[];
  readonly now: number;
}

/** Why a job is kept back. */
export function heldReasons({ id, job, batch, spec, dependencies }: WaitingFacts): string[] {
  const untouched = job.attempt === 0 && batch.untouched === 'held';
  const waits = untouched && spec.after.length > 0 && dependencies.length > 0;
  const reasons: string[] = [];
  if (waits) {
    reasons.push(
      `it waits for ${spec.after.map(({ selector, on }) => `${selector} to end${endings[on]}`).join(' and ')} (--after)`,
      ...dependencies,
    );
  }
  if (untouched && spec.hold) reasons.push(`it was held when it was submitted (--hold); omx release ${id} lets it go`);
  else if (!waits)
    reasons.push(
      `${untouched && batch.note !== '' ? batch.note : 'it is held (omx hold)'}; omx release ${id} lets it go`,
    );
  return reasons;
}

const endings = { ok: ' well', any: '', failed: ' with a failure' } as const;

/** Why a queued job has not been started. */
export function queuedReasons(facts: WaitingFacts): string[] {
  const { job, batch, spec, active, now } = facts;
  if (job.queuedAt > now) {
    const { retries, backoff } = spec.limits;
    const range = `${formatDuration(backoff.minMs)}..${formatDuration(backoff.maxMs)}`;
    return [
      `it waits for retry ${job.retries} of ${retries} until ${localTime(job.queuedAt, now)}, in ${formatDuration(job.queuedAt - now)} (--backoff ${range})`,
    ];
  }
  const { throttle } = batch.spec;
  const throttled =
    throttle !== undefined && active >= throttle
      ? [
          `at most ${throttle} of the jobs of ${batch.id} may run at once (%${throttle}), and ${active} ${active === 1 ? 'does' : 'do'}`,
        ]
      : [];
  return [...throttled, ...placeReasons(facts, throttled.length > 0)];
}

/** What is wrong with the nodes, from the job's point of view. */
function placeReasons({ spec, nodes, batch }: WaitingFacts, explained: boolean): string[] {
  const up = nodes.filter((node) => node.state === 'up' && node.role !== 'home');
  if (up.length === 0) return noNode(nodes);
  const named = spec.nodes.length === 0 ? up : up.filter((node) => spec.nodes.includes(node.name));
  if (named.length === 0) return spec.nodes.map((name) => missingNode(name, nodes));
  const labels = Object.entries(spec.labels);
  const labelled = named.filter((node) => labels.every(([key, value]) => node.labels[key] === value));
  if (labelled.length === 0) {
    return [
      `it asks for a node with ${labels.map(([key, value]) => `${key}=${value}`).join(' and ')} (--label), and ${named.map(({ name }) => name).join(', ')} ${named.length === 1 ? 'is' : 'are'} not`,
    ];
  }
  const { cpus } = spec.limits;
  const most = Math.max(...labelled.map(({ slots }) => slots));
  const large =
    cpus > most
      ? [
          `it asks for ${cpus} slots (--cpus), more than any node has (${most}): it starts when one of them has nothing else to do`,
        ]
      : [];
  const busy = labelled.every((node) => node.running >= node.slots);
  if (busy) {
    const slots = labelled.reduce((sum, node) => sum + node.slots, 0);
    return [...large, `all ${slots} slots of ${labelled.map(({ name }) => name).join(', ')} are busy`];
  }
  if (large.length > 0 || explained) return large;
  const free = labelled.flatMap((node) => (node.slots - node.running >= cpus ? [node.name] : []));
  if (free.length === 0) return [`it asks for ${cpus} slots (--cpus), and no node has so many free at once now`];
  return [
    `it is its turn next: ${free.join(', ')} ${free.length === 1 ? 'has' : 'have'} room (priority ${batch.spec.priority})`,
  ];
}

function noNode(nodes: readonly NodeInfo[]): string[] {
  if (nodes.length === 0)
    return ['no node has joined yet; omx up starts a worker here, omx worker is one in the foreground'];
  const states = nodes.map(
    (node) =>
      `${node.name} is ${node.role === 'home' && node.state === 'up' ? 'a home node, which takes no jobs' : node.state}`,
  );
  return [`no node takes jobs: ${states.join(', ')}; omx up starts a worker here`];
}

function missingNode(name: string, nodes: readonly NodeInfo[]): string {
  const node = nodes.find((known) => known.name === name);
  if (node === undefined) return `it asks for node ${name} (--node), which has never joined; omx nodes lists the nodes`;
  return `it asks for node ${name} (--node), which is ${node.state === 'up' ? `of role ${node.role} and takes no jobs` : node.state}`;
}
