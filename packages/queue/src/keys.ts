import type { BatchId } from '@omx/core';

/**
 * Every key of omx. All begin with one prefix; everything of a batch shares the hash tag `{b7}`, so that each script
 * touches one slot of a Redis cluster and batches can be spread over several servers.
 */
export const prefix = 'omx';

/** What is known of nodes shares a hash tag, too. */
const nodes = `${prefix}:{nodes}`;

export const globalKeys = {
  /** Counter of batch numbers. */
  lastBatch: `${prefix}:last`,
  /** Sorted set of batches that may have chunks to deliver, by the time they were added. */
  pending: `${prefix}:pending`,
  /** Set of batches with jobs not yet ended. */
  active: `${prefix}:active`,
  /** Set of batches that wait for others (`--after`). */
  waiting: `${prefix}:waiting`,
  /** String: the newest finished batch of this name, for learned durations. */
  named: (name: string) => `${prefix}:named:${name}`,
  /** Set of the placement classes batches have asked for. */
  classes: `${prefix}:classes`,
  /** Hash: node name → its last description. */
  nodes: `${nodes}:info`,
  /** Hash: node name → how often it has renewed its lease. */
  beats: `${nodes}:beats`,
  /** Hash: node name → what people want of it (JSON), where they want something. */
  wanted: `${nodes}:wanted`,
  /** String: the node whose worker balances running jobs; runs out soon after that one is gone. */
  balancer: `${nodes}:balancer`,
  /** Stream of what happened to nodes, bounded. */
  events: `${prefix}:events`,
  /** String: the version of everything written under these keys. */
  schema: `${prefix}:schema`,
  /** Channel: something changed that workers act on (a submit, a wish, a freed place). */
  wake: `${prefix}:wake`,
  submitKey: (key: string) => `${prefix}:key:${key}`,
  environment: (digest: string) => `${prefix}:env:${digest}`,
  nodeLease: (node: string) => `${nodes}:lease:${node}`,
  /** Channel on which a node takes requests. */
  nodeRequests: (node: string) => `${prefix}:ask:${node}`,
  reply: (id: string) => `${prefix}:reply:${id}`,
} as const;

/** Keys of one batch. */
export function batchKeys(id: BatchId) {
  const tag = `${prefix}:{${id}}`;
  return {
    tag,
    /** Hash: spec, total, submittedAt, untouched, note. */
    meta: `${tag}:meta`,
    /** List of what reruns changed. */
    revisions: `${tag}:revisions`,
    /** Hash: how many jobs are in each class, usage sums, first start, end. */
    sums: `${tag}:sums`,
    /** Job records, `blockJobs` a string. */
    block: (block: number) => `${tag}:jobs:${block}`,
    /** Hash: block → how many of its jobs have failed. */
    failed: `${tag}:failed`,
    /** Hash: `ordinal#attempt` → record of an earlier attempt. */
    history: `${tag}:history`,
    /** Hash: `ordinal#attempt` → the node whose fault the attempt's failure was; `ordinal` → how often that was so. */
    excused: `${tag}:excused`,
    /** List of late results that were refused. */
    superseded: `${tag}:superseded`,
    /** List of output packs. */
    packs: `${tag}:packs`,
    /** List of packs of rows found by the batch's parser. */
    rows: `${tag}:rows`,
    /** List of chunks not yet handed to the queue. */
    outbox: `${tag}:outbox`,
    /** List of jobs kept back by the throttle. */
    parked: `${tag}:parked`,
    /** Blocks of items of a list. */
    items: (block: number) => `${tag}:items:${block}`,
    /** Hash: node name → its number in job records. */
    nodes: `${tag}:nodes`,
    /** List of notes about the batch and its jobs, for `omx why`. */
    notes: `${tag}:notes`,
    /** Hash: ordinal → the newest image of the job (JSON). */
    images: `${tag}:images`,
    /** Stream of moves of the batch's jobs, and what else happened to them between their start and their end, bounded. */
    moves: `${tag}:moves`,
    /** Channel: jobs of this batch changed. */
    changes: `${tag}:changes`,
  };
}
