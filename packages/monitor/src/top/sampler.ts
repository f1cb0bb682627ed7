import { type Batch, type BatchId, indexOf, type Job, jobId, type NodeInfo, type Span, stateName } from '@omx/core';
import {
  type AttemptUsage,
  type BatchStore,
  type JobSnapshot,
  type JobStore,
  type NodeAsker,
  type NodeStore,
  type NodeUsage,
  queueClock,
} from '@omx/queue';

import type { TopRow, TopSnapshot } from './row.ts';
import { StrayJobs } from './stray-jobs.ts';
import { UsageRates } from './usage-rates.ts';
import { WaitingJobs } from './waiting-jobs.ts';

export interface TopSources {
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly nodes: NodeStore;
  readonly asker: NodeAsker;
  /** The command of a job for people. */
  readonly commandOf: (batch: Batch, ordinal: number) => Promise<string>;
  /** The jobs of a batch that have records of their own, and some beside them. */
  readonly touchedSpans: (batch: Batch) => Promise<readonly Span[]>;
}

/** So long may a node take to answer before its jobs are shown without cpu and memory. */
const answerMs = 1500;
const commandsKept = 20_000;

interface Found {
  /** Of its own node; undefined where only nodes with children of it have answered. */
  usage?: AttemptUsage;
  cpu?: number | undefined;
  /** Its children that run elsewhere, those of one node together. */
  readonly children: {
    readonly node: string;
    readonly usage: AttemptUsage;
    readonly cpu: number | undefined;
    readonly count: number;
  }[];
}

/**
 * Reads what runs. The nodes say which jobs they run and what these use, and the records of just those jobs are read, so
 * that a look costs by what runs and not by how many jobs there are. Jobs of nodes that do not answer are searched for in
 * the records, seldom.
 */
export class TopSampler {
  readonly #sources: TopSources;
  readonly #batches = new Map<BatchId, Batch>();
  readonly #commands = new Map<string, string>();
  readonly #rates = new UsageRates();
  readonly #strays: StrayJobs;
  readonly #waiting: WaitingJobs;

  constructor(sources: TopSources) {
    this.#sources = sources;
    this.#strays = new StrayJobs(sources);
    this.#waiting = new WaitingJobs(sources.jobs);
  }

  /** @param waiting how many waiting jobs are wanted besides */
  async read(waiting: number): Promise<TopSnapshot> {
    const [nodes, active] = await Promise.all([this.#sources.nodes.list(), this.#sources.batches.active()]);
    const up = nodes.filter((node) => node.state !== 'down');
    const answers = await Promise.all(up.map(async (node) => this.#ask(node)));
    const silent = up.flatMap(({ name }, at) => (answers[at] === undefined ? [name] : []));
    const found = this.#sort(up, answers);
    const snapshot = { running: [] as TopRow[], waiting: [] as TopRow[], silent };
    const counts = { running: 0, queued: 0, held: 0, batches: 0 };
    const ids = [...new Set([...active, ...found.keys()])].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
    const open = (await Promise.all(ids.map(async (id) => this.#look(id)))).filter((look) => look !== undefined);
    this.#forget(new Set(ids));
    const blind = up.length < nodes.length || silent.length > 0;
    for (const { batch, progress } of open) {
      const running = progress.counts.running + progress.counts.paused + progress.counts.frozen;
      counts.running += running;
      counts.queued += progress.counts.queued;
      counts.held += progress.counts.held;
      counts.batches += 1;
      const here = found.get(batch.id) ?? new Map<number, Found>();
      const strays =
        running > here.size && (blind || progress.counts.frozen > 0) ? await this.#strays.find(batch, Date.now()) : [];
      snapshot.running.push(...(await this.#running(batch, here, strays)));
      const wanted = waiting - snapshot.waiting.length;
      if (wanted > 0 && progress.counts.queued + progress.counts.held > 0)
        snapshot.waiting.push(
          ...(await this.#rows(batch, await this.#waiting.find(batch, wanted, new Set(here.keys())), here)),
        );
    }
    this.#rates.turn();
    return { ...snapshot, counts };
  }

  async #ask(node: NodeInfo): Promise<NodeUsage | undefined> {
    try {
      return await this.#sources.asker.askJson(node.name, { type: 'usage' }, answerMs);
    } catch {
      return undefined;
    }
  }

  #sort(nodes: readonly NodeInfo[], answers: readonly (NodeUsage | undefined)[]): Map<BatchId, Map<number, Found>> {
    const found = new Map<BatchId, Map<number, Found>>();
    for (const [at, node] of nodes.entries()) {
      const answer = answers[at];
      if (answer === undefined) continue;
      for (const usage of answer.attempts)
        Object.assign(entryOf(found, usage), { usage, cpu: this.#rates.rate(node.name, answer, usage) });
      for (const { usage, count } of together(answer.guests ?? [])) {
        const cpu = this.#rates.rate(`${node.name} guests`, answer, usage);
        entryOf(found, usage).children.push({ node: node.name, usage, cpu, count });
      }
    }
    return found;
  }

  async #look(
    id: BatchId,
  ): Promise<{ batch: Batch; progress: Awaited<ReturnType<BatchStore['progress']>> } | undefined> {
    const { batches } = this.#sources;
    const known = this.#batches.get(id);
    const batch = known === undefined ? await batches.find(id) : await batches.refresh(known);
    if (batch === undefined) return undefined;
    this.#batches.set(id, batch);
    return { batch, progress: await batches.progress(batch) };
  }

  async #running(batch: Batch, here: ReadonlyMap<number, Found>, strays: readonly number[]): Promise<TopRow[]> {
    const ordinals = [...new Set([...here.keys(), ...strays])].sort((a, b) => a - b);
    const snapshots = await this.#sources.jobs.read(batch, ordinals);
    const live = snapshots.filter(({ job, ordinal }) => isRunning(job, here.get(ordinal)?.usage));
    return this.#rows(batch, live, here);
  }

  async #rows(batch: Batch, snapshots: readonly JobSnapshot[], here: ReadonlyMap<number, Found>): Promise<TopRow[]> {
    if (snapshots.length === 0) return [];
    const names = await this.#sources.batches.nodeNames(batch.id);
    const now = queueClock.now();
    const rows: TopRow[] = [];
    for (const snapshot of snapshots) {
      const { job, ordinal } = snapshot;
      const entry = here.get(ordinal);
      const { usage, cpu } = this.#usageOf(job, entry);
      const children = (entry?.children ?? []).filter((each) => each.usage.attempt === job.attempt);
      const seconds =
        'startedAt' in job && job.startedAt !== undefined ? Math.max(0, now - job.startedAt) / 1000 : null;
      rows.push({
        id: jobId(batch.id, indexOf(batch.spec.jobs, ordinal)),
        batch: batch.id,
        snapshot,
        node: 'node' in job && job.node !== undefined ? (names.get(job.node) ?? null) : null,
        state: job.status === 'leased' && usage !== undefined ? 'running' : stateName(job),
        cpu: sum(
          cpu ?? sinceStart(usage, seconds),
          ...children.map((each) => each.cpu ?? sinceStart(each.usage, seconds)),
        ),
        rss: sum(usage?.rss ?? null, ...children.map((each) => each.usage.rss)),
        seconds,
        migrations: job.moves,
        children: Object.fromEntries(children.map(({ node, count }) => [node, count])),
        command: await this.#command(batch, ordinal),
      });
    }
    return rows;
  }

  /** What a node says of an earlier attempt is not about this one. */
  #usageOf(job: Job, found: Found | undefined): { usage: AttemptUsage | undefined; cpu: number | undefined } {
    return found?.usage?.attempt === job.attempt
      ? { usage: found.usage, cpu: found.cpu }
      : { usage: undefined, cpu: undefined };
  }

  async #command(batch: Batch, ordinal: number): Promise<string> {
    // A rerun may give a job other arguments.
    const key = `${batch.id}.${ordinal} ${batch.revisions.length}`;
    let command = this.#commands.get(key);
    if (command === undefined) {
      command = await this.#sources.commandOf(batch, ordinal);
      if (this.#commands.size >= commandsKept) this.#commands.clear();
      this.#commands.set(key, command);
    }
    return command;
  }

  #forget(known: ReadonlySet<BatchId>): void {
    for (const id of this.#batches.keys()) if (!known.has(id)) this.#batches.delete(id);
  }
}

function entryOf(found: Map<BatchId, Map<number, Found>>, { batch, ordinal }: AttemptUsage): Found {
  const ofBatch = found.get(batch) ?? new Map<number, Found>();
  found.set(batch, ofBatch);
  const entry = ofBatch.get(ordinal) ?? { children: [] };
  ofBatch.set(ordinal, entry);
  return entry;
}

/** All copies of each attempt's children on one node as one. */
function together(copies: readonly AttemptUsage[]): { readonly usage: AttemptUsage; readonly count: number }[] {
  const sums = new Map<string, { usage: AttemptUsage; count: number }>();
  for (const copy of copies) {
    const key = `${copy.batch}.${copy.ordinal}#${copy.attempt}`;
    const { usage, count } = sums.get(key) ?? { usage: { ...copy, cpu: 0, rss: 0 }, count: 0 };
    sums.set(key, { usage: { ...usage, cpu: usage.cpu + copy.cpu, rss: usage.rss + copy.rss }, count: count + 1 });
  }
  return [...sums.values()];
}

/** Null where its own node does not say. */
function sum(own: number | null, ...others: readonly (number | null)[]): number | null {
  return own === null ? null : others.reduce<number>((total, each) => total + (each ?? 0), own);
}

/** A start is recorded a moment after it, and a node may still know what the record says has ended. */
function isRunning(job: Job, usage: AttemptUsage | undefined): boolean {
  if (job.status === 'leased') return usage?.attempt === job.attempt;
  return job.status === 'running' || job.status === 'paused' || job.status === 'frozen';
}

function sinceStart(usage: AttemptUsage | undefined, seconds: number | null): number | null {
  if (usage === undefined) return null;
  return seconds === null || seconds < 0.1 ? 0 : (usage.cpu / seconds) * 100;
}
