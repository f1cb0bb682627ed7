import {
  type AfterRule,
  type BatchId,
  type BatchSpec,
  formatSpans,
  indexOf,
  type JobSource,
  jobCount,
  type NodeInfo,
  spansOf,
} from '@omx/core';
import {
  describeAddress,
  isTrying,
  nodesFor,
  offers,
  orderJobs,
  placementClass,
  type Requirement,
  requirementOf,
  requireSafeServer,
} from '@omx/queue';

import { type Io, say } from './io.ts';
import { readBatch, type SubmitOptions } from './read-batch.ts';
import { select } from './select.ts';
import { defaultNodeName, type Session } from './session.ts';

export interface Submitted {
  readonly id: BatchId;
  readonly total: number;
  /** A batch with the same key was there already; nothing was added. */
  readonly existed: boolean;
  /** What it asks for that no node has. */
  readonly unplaced: string | undefined;
  /** What it needs for its jobs to be started as it asks for, and no node that may run them has. */
  readonly lacking: string | undefined;
}

/** Submits what `readBatch` has read. */
export async function submitBatch(session: Session, read: Awaited<ReturnType<typeof readBatch>>): Promise<Submitted> {
  await requireSafeServer(session.redis, describeAddress(session.address));
  const { spec: unresolved, items } = read.compile(await session.batches.keepEnvironment(read.environment));
  const after = await Promise.all(unresolved.after.map(async (rule) => resolveRule(session, rule)));
  const spec = { ...unresolved, after: after.flat() };
  const total = jobCount(spec.jobs);
  const held = spec.hold || spec.after.length > 0;
  const { id, existed } = await session.batches.submit({
    spec,
    total,
    order: held
      ? []
      : await orderJobs(session.batches, session.jobs, {
          spec,
          total,
          ...(items === undefined ? {} : { items }),
        }),
    untouched: held ? 'held' : 'queued',
    note: heldNote(
      spec.hold,
      spec.after.map((rule) => rule.selector),
    ),
    ...(items === undefined ? {} : { items }),
  });
  return {
    id,
    total: existed ? (await session.batches.load(id)).total : total,
    existed,
    ...(await shortcomings(session, spec)),
  };
}

/** What the nodes lack for the batch; most batches ask for nothing that they could lack. */
async function shortcomings(session: Session, spec: BatchSpec): Promise<Pick<Submitted, 'unplaced' | 'lacking'>> {
  const asked = requirementOf(spec);
  const { launcher, ...place } = asked;
  const asksForPlace = placementClass({ ...place, oversubscribe: false }) !== 'any';
  if (!asksForPlace && launcher === undefined) return { unplaced: undefined, lacking: undefined };
  const nodes = await session.nodes.list();
  return {
    unplaced: asksForPlace ? await unplacedReason(asked, nodes) : undefined,
    lacking: await lackingReason(asked, spec, nodes),
  };
}

/** What the batch asks for that no known node could ever give; it waits for one that can. */
async function unplacedReason(asked: Requirement, nodes: readonly NodeInfo[]): Promise<string | undefined> {
  const { neverPlaced } = await import('./why/placement.ts');
  // The worker of this machine is just being started, and nothing but its name is known.
  if (nodes.length === 0)
    return asked.nodes.length === 0 || asked.nodes.includes(defaultNodeName()) ? undefined : neverPlaced(asked, nodes);
  return neverPlaced(asked, nodes);
}

/** No node that is up and may run the jobs has the launcher they need, nor may have it in a moment. */
async function lackingReason(
  asked: Requirement,
  spec: BatchSpec,
  nodes: readonly NodeInfo[],
): Promise<string | undefined> {
  const { launcher } = asked;
  if (launcher === undefined) return undefined;
  const fit = nodesFor(asked, nodes).filter(({ role }) => role !== 'home');
  if (fit.some((node) => offers(asked, node) || isTrying(asked, node))) return undefined;
  // Where none is up one is just being started, or will be.
  const able = fit.filter(({ state }) => state !== 'down');
  if (able.length === 0) return undefined;
  const without = `${able.map(({ name }) => name).join(', ')} ${able.length === 1 ? 'has' : 'have'} no ${launcher} that works`;
  if (spec.launcher !== 'auto') return `${without}, so its jobs end as not started; omx doctor there says why`;
  const { needing } = await import('./why/placement.ts');
  return `${without}, so its jobs run under plain, and without ${needing(spec).join(' and ')}; omx doctor there says why`;
}

/** Says so where a batch can run nowhere, or not as it asks. */
export function warnUnplaced(io: Io, { id, unplaced, lacking }: Submitted): void {
  if (unplaced !== undefined) say(io, `warning: ${id} waits until a node joins that can run it: ${unplaced}`);
  else if (lacking !== undefined) say(io, `warning: ${id}: ${lacking}`);
}

/** Selectors such as `last` and `all` mean what they mean now, and what they name must be there. */
async function resolveRule(session: Session, rule: AfterRule): Promise<AfterRule[]> {
  const selections = await select(session, [rule.selector]);
  return selections.map(({ batch, whole, spans }) => ({
    ...rule,
    selector: whole ? batch.id : `${batch.id}.${formatSpans(indexSpans(batch.spec.jobs, spans))}`,
  }));
}

/** Reads and checks a batch from the command line. */
export async function readChecked(
  io: Io,
  words: readonly string[],
  options: SubmitOptions,
): ReturnType<typeof readBatch> {
  const read = await readBatch(io, words, options);
  const { spec } = read.compile('');
  if (spec.parse !== undefined) (await import('@omx/worker-results')).checkParser(spec.parse);
  return read;
}

function heldNote(hold: boolean, selectors: readonly string[]): string {
  if (hold) return 'held when it was submitted (--hold)';
  return selectors.length === 0 ? '' : `waits for ${selectors.join(', ')} to end`;
}

function indexSpans(jobs: JobSource, spans: readonly { first: number; last: number }[]) {
  return spansOf(
    spans.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => indexOf(jobs, first + at))),
  );
}
