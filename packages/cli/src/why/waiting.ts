import { type Batch, type BatchSpec, formatBytes, formatDuration, type Job, type NodeInfo } from '@omx/core';
import { isTrying, requirementOf, nodesFor } from '@omx/queue';

import { localTime } from '../render/times.ts';
import { notPlaced } from './placement.ts';

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
  const trying = tryingReasons(facts);
  if (trying.length > 0) return [...throttled, ...trying];
  return [...throttled, ...placeReasons(facts, throttled.length > 0), ...launcherReasons(facts)];
}

/** No node has the launcher, and of some that could run the job it is not known yet. */
function tryingReasons({ spec, nodes }: WaitingFacts): string[] {
  const asked = requirementOf(spec);
  const trying = nodesFor(asked, nodes).filter((node) => node.state === 'up' && isTrying(asked, node));
  return trying.length === 0
    ? []
    : [
        `it needs the launcher ${asked.launcher}, and ${trying.map(({ name }) => name).join(', ')} still ${trying.length === 1 ? 'tries' : 'try'} out whether that works there`,
      ];
}

/** Where no node has the launcher, one without takes the job, and says that it cannot start it. */
function launcherReasons({ spec, nodes }: WaitingFacts): string[] {
  const { launcher } = spec;
  if (launcher === 'auto' || launcher === 'plain') return [];
  const asked = requirementOf(spec);
  const able = nodesFor(asked, nodes).filter((node) => node.state === 'up' && node.role !== 'home');
  const lacking = able.filter((node) => !node.launchers.includes(launcher));
  return lacking.length > 0 && lacking.length === able.length
    ? [`no node that could run it has the launcher ${launcher}; omx doctor says why`]
    : [];
}

/** What is wrong with the nodes, from the job's point of view. */
function placeReasons({ spec, nodes, batch }: WaitingFacts, explained: boolean): string[] {
  const asked = requirementOf(spec);
  const nowhere = notPlaced(asked, nodes);
  if (nowhere.length > 0) return nowhere;
  const able = nodesFor(asked, nodes).filter((node) => node.state === 'up' && node.role !== 'home');
  const names = (some: readonly NodeInfo[]): string => some.map(({ name }) => name).join(', ');
  if (able.every((node) => node.slots === 0))
    return [
      `${names(able)} ${able.length === 1 ? 'offers' : 'offer'} no slot now: others use the machine; it takes a job when nobody else does`,
    ];
  if (able.every((node) => node.running >= node.slots)) {
    const slots = able.reduce((sum, node) => sum + node.slots, 0);
    return [`all ${slots} slots of ${names(able)} are busy`];
  }
  if (explained) return [];
  const { cpus, memBytes } = asked;
  const free = able.filter((node) => node.slots - node.running >= cpus || (node.running === 0 && node.slots > 0));
  if (free.length === 0) return [`it asks for ${cpus} slots (--cpus), and no node has so many free at once now`];
  return [
    `it is its turn next: ${names(free)} ${free.length === 1 ? 'has' : 'have'} room (priority ${batch.spec.priority})`,
    ...(memBytes === 0
      ? []
      : [
          `it asks for ${formatBytes(memBytes)} of memory (--mem): jobs that run there may have asked for what it needs`,
        ]),
  ];
}
