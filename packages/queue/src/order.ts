import {
  type BatchId,
  type BatchSpec,
  indexOf,
  type Item,
  JobExpander,
  needsItem,
  type Order,
  type Span,
  spansOf,
} from '@omx/core';

import type { BatchStore } from './batch-store.ts';
import type { JobStore } from './job-store.ts';
import { itemsPerBlock } from './codec/items.ts';
import { globalKeys } from './keys.ts';

/** A batch, or what will be one. */
interface OrderedBatch {
  /** Absent before it is stored. */
  readonly id?: BatchId;
  readonly spec: BatchSpec;
  readonly total: number;
  /** Of a list, where it is not stored yet. */
  readonly items?: readonly Item[];
}

/**
 * All jobs of a batch in the order in which they are to be handed out. `longest` goes by what the same jobs took in the
 * newest finished batch of the same name; jobs it did not have come first, as they may be the longest.
 */
export async function orderJobs(batches: BatchStore, jobs: JobStore, batch: OrderedBatch): Promise<Span[]> {
  const { spec, total } = batch;
  if (total === 0) return [];
  const learned = spec.order === 'longest' ? await learnedDurations(batches, jobs, batch) : undefined;
  return orderSpans(spec.order, total, learned);
}

function orderSpans(order: Order, total: number, durations: Float64Array | undefined): Span[] {
  switch (order) {
    case 'index':
      return [{ first: 0, last: total - 1 }];
    case 'reverse':
      return [{ first: total - 1, last: 0 }];
    case 'random':
      return spansOf(shuffled(total));
    case 'longest':
      if (durations === undefined) return [{ first: 0, last: total - 1 }];
      return spansOf([...durations.keys()].sort((a, b) => (durations[b] ?? 0) - (durations[a] ?? 0) || a - b));
  }
}

/**
 * By ordinal, milliseconds; Infinity where the earlier batch has no job of the same value that succeeded: what failed
 * says nothing of how long it takes.
 */
async function learnedDurations(
  batches: BatchStore,
  jobs: JobStore,
  ordered: OrderedBatch,
): Promise<Float64Array | undefined> {
  const id = (await batches.redis.get(globalKeys.named(ordered.spec.name))) as BatchId | null;
  const earlier = id === null ? undefined : await batches.find(id);
  if (earlier === undefined) return undefined;
  const took = new Map<string, number>();
  const earlierValue = valueReader(batches, earlier);
  for await (const snapshots of jobs.scan(earlier, [{ first: 0, last: earlier.total - 1 }])) {
    for (const { ordinal, job } of snapshots) {
      if (job.status !== 'ended' || job.outcome.kind !== 'succeeded' || job.startedAt === undefined) continue;
      took.set(await earlierValue(ordinal), job.endedAt - job.startedAt);
    }
  }
  const durations = new Float64Array(ordered.total);
  const value = valueReader(batches, ordered);
  for (let ordinal = 0; ordinal < ordered.total; ordinal += 1)
    durations[ordinal] = took.get(await value(ordinal)) ?? Number.POSITIVE_INFINITY;
  return durations;
}

/** What tells jobs of one name apart: the index of an array, the value of a list, of parameters or of a row. */
function valueReader(batches: BatchStore, { id, spec, items }: OrderedBatch): (ordinal: number) => Promise<string> {
  const { jobs } = spec;
  if (jobs.kind === 'array') return async (ordinal) => String(indexOf(jobs, ordinal));
  const expander = new JobExpander({ command: [], shell: false, jobs });
  let open: { readonly block: number; readonly items: readonly Item[] } | undefined;
  return async (ordinal) => {
    if (!needsItem(jobs)) return expander.expand(ordinal).value;
    if (items !== undefined) return expander.expand(ordinal, items[ordinal] ?? []).value;
    const block = Math.floor(ordinal / itemsPerBlock);
    if (open?.block !== block) open = { block, items: id === undefined ? [] : await batches.items(id, block) };
    return expander.expand(ordinal, open.items[ordinal % itemsPerBlock] ?? []).value;
  };
}

/** Fisher and Yates's shuffle. */
function shuffled(total: number): Uint32Array {
  const numbers = Uint32Array.from({ length: total }, (_, at) => at);
  for (let at = total - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    const kept = numbers[at] ?? 0;
    numbers[at] = numbers[other] ?? 0;
    numbers[other] = kept;
  }
  return numbers;
}
