import { type BatchSpec, formatDuration, type Job, type LauncherName, type NodeInfo } from '@omx/core';

import { localTime } from '../render/times.ts';
import { holderReasons } from './holder.ts';
import { needing } from './placement.ts';

export interface RunningFacts {
  readonly id: string;
  readonly job: Extract<Job, { readonly status: 'leased' | 'running' | 'paused' | 'frozen' }>;
  readonly node: string;
  /** As it last described itself. */
  readonly info: NodeInfo | undefined;
  readonly spec: BatchSpec;
  readonly now: number;
}

/** Where a job runs, why there, and who may move it. */
export function runningReasons(facts: RunningFacts): string[] {
  const { job, node, info, now } = facts;
  const wish = wishReasons(facts);
  const away = holderReasons(info, now);
  if (job.status === 'leased') {
    return [
      `${node} has taken it (attempt ${job.attempt}) and starts it as soon as a slot there is free`,
      ...away,
      ...wish,
    ];
  }
  const verb = { running: 'runs', paused: 'is stopped', frozen: 'is frozen' }[job.status];
  return [
    `it ${verb} on ${node}, started ${localTime(job.startedAt, now)}, ${formatDuration(now - job.startedAt)} ago (attempt ${job.attempt})`,
    ...away,
    ...placeReasons(facts),
    footing(facts, job.launcher),
    ...limitReasons(facts),
    ...wish,
  ];
}

function placeReasons({ spec, job, node }: RunningFacts): string[] {
  const labels = Object.entries(spec.labels).map(([key, value]) => `${key}=${value}`);
  const asked = [
    ...(spec.nodes.length === 0 ? [] : [`--node ${spec.nodes.join(',')}`]),
    ...labels.map((label) => `--label ${label}`),
  ];
  const moved = `it has moved ${job.moves} ${job.moves === 1 ? 'time' : 'times'}`;
  return [
    asked.length > 0 ? `${node} because of ${asked.join(' and ')}` : job.moves === 0 ? `${node} had room first` : moved,
    ...(job.moves === 0 || asked.length === 0 ? [] : [moved]),
    ...(job.crashes === 0
      ? []
      : [`${job.crashes} earlier ${job.crashes === 1 ? 'attempt' : 'attempts'} died with the node`]),
  ];
}

/** Who may move a job started so. */
const footings: Readonly<Record<LauncherName, string>> = {
  plain: 'nobody can migrate it; it stays there until it ends',
  mosrun: 'the cluster’s kernel (openMosix, MOSIX) may migrate it',
  criu: 'omx can freeze it and go on with it on another node',
};

function footing({ spec, info, node }: RunningFacts, launcher: LauncherName): string {
  return `launcher ${launcher}: ${footings[launcher]}${launcher === 'plain' && spec.launcher === 'auto' ? autoText(spec, info, node) : ''}`;
}

/** Why `auto` took plain there. */
function autoText(spec: BatchSpec, info: NodeInfo | undefined, node: string): string {
  if (info === undefined) return '';
  if (info.launchers.includes('criu')) return ' (auto: with --launcher criu omx could move it)';
  const asked = needing(spec);
  if (asked.length > 0)
    return ` (auto: ${node} has no criu, which ${asked.join(' and ')} would need; omx doctor says why)`;
  return info.launchers.every((name) => name === 'plain')
    ? ` (auto: ${node} has no other launcher; omx doctor says why)`
    : '';
}

function limitReasons({ spec, job, now }: RunningFacts): string[] {
  const { timeMs } = spec.limits;
  if (timeMs === undefined || !('startedAt' in job) || job.startedAt === undefined) return [];
  const left = job.startedAt + timeMs - now;
  return [
    `its limit is ${formatDuration(timeMs)} (--time), ${left > 0 ? `${formatDuration(left)} of it left` : 'which is over: it is being ended'}`,
  ];
}

function wishReasons({ job, id }: RunningFacts): string[] {
  if (job.wish === 'cancel') return ['a user has cancelled it; the node is ending it'];
  if (job.wish === 'freeze') {
    if (job.status !== 'frozen') return ['a user has frozen it; the node is making an image of it'];
    return [`a user has frozen it (omx pause --freeze); it takes no memory; omx resume ${id} continues it`];
  }
  if (job.status === 'frozen')
    return ['it stands still for a moment: it is being moved to another node, or goes on at once'];
  if (job.status === 'paused') return [`a user has paused it (omx pause); omx resume ${id} continues it`];
  return job.wish === 'pause' ? ['a user has paused it; the node is stopping it'] : [];
}
