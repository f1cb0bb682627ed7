import { type Batch, indexOf, isOmxError, jobId, type OmxError } from '@omx/core';
import type { JobSnapshot, PackedOutput, ReadPiece, StoredJob } from '@omx/queue';

import type { Selection } from '../select.ts';
import type { Session } from '../session.ts';
import { attemptsOver, type AttemptOutput, outputOf, type StreamName, streamNames } from './attempt-output.ts';
import { CarriedOutput } from './carried-output.ts';
import { Changes } from './changes.ts';
import { JobWatch } from './job-watch.ts';
import { type Followed, NodePoller } from './node-poller.ts';
import { goneError, outputLimit, OutputSource } from './output-source.ts';
import type { OutputSink } from './sink.ts';

export interface FollowOptions {
  readonly streams: readonly StreamName[];
  /** Begin with the last lines of what is there; from the start without. */
  readonly lines?: number;
  readonly signal: AbortSignal;
  /** The name of the node is wanted with every piece. */
  readonly withNode?: boolean;
  /** Output of one job cannot be had; the others go on. */
  readonly onError: (id: string, error: OmxError) => void;
}

const longestWaitMs = 1000;
const shortestGapMs = 5;
/** A look at the jobs is followed by so many times its length of rest, however large the batch. */
const restFactor = 9;
const packsPerRead = 20;
/** A node that does not answer may be back with its next worker: an ended attempt's output is asked for so often. */
const mostTries = 5;

/**
 * Prints the output of a batch's jobs as it is written, until they have ended; each stream of each attempt in order and
 * once. While an attempt runs, its output is read from its node; the record of its end says how long it is and where the
 * rest of it is. How much of each stream has been printed is all that decides what is printed next, so it does not matter
 * who is faster: the node's answer or the record.
 */
export class Follower {
  readonly #session: Session;
  readonly #sink: OutputSink;
  readonly #options: FollowOptions;
  readonly #source: OutputSource;
  readonly #watch: JobWatch;
  /** By ordinal: how many attempts have been printed to their end. */
  readonly #printed: Uint16Array;
  readonly #followsPacks: boolean;
  readonly #followed = new Map<number, Followed>();
  readonly #tries = new WeakMap<Followed, number>();
  readonly #carried: CarriedOutput;
  readonly #pollers = new Map<string, NodePoller>();
  #isFirstLook = true;
  /** Of a whole batch: how many of its packs have been read. Packs do not say which node they come from: records do. */
  #packsRead: number | undefined;
  #changes: Changes | undefined;
  #failure: unknown;

  constructor(session: Session, sink: OutputSink, selection: Selection, options: FollowOptions) {
    this.#session = session;
    this.#sink = sink;
    this.#options = options;
    this.#source = new OutputSource(session);
    this.#carried = new CarriedOutput(session.redis, selection.batch.id);
    this.#watch = new JobWatch(session, selection.batch, selection.spans);
    this.#printed = new Uint16Array(selection.batch.total);
    this.#followsPacks = selection.whole && options.withNode !== true;
  }

  /** Resolves when all jobs have ended and their output is printed. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const { id } = this.#watch.batch;
    this.#changes = await Changes.open(this.#session, id);
    if (this.#followsPacks) this.#packsRead = await this.#session.outputs.packCount(id);
    let lookAt = 0;
    let tickAt = performance.now() + longestWaitMs;
    try {
      while (!signal.aborted) {
        await this.#followPacks();
        const isDue = performance.now() >= lookAt;
        if (isDue) lookAt = performance.now() + Math.max(shortestGapMs, restFactor * (await this.#look()));
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#watch.isDone && this.#followed.size === 0) break;
        if (performance.now() >= tickAt) {
          for (const poller of this.#pollers.values()) poller.tick();
          tickAt = performance.now() + longestWaitMs;
        }
        const untilLook = isDue ? longestWaitMs : Math.max(1, lookAt - performance.now());
        if ((await this.#changes.next(shortestGapMs, untilLook, signal)) === 'urgent') lookAt = 0;
      }
    } finally {
      await Promise.all([...this.#pollers.values()].map(async (poller) => poller.close()));
      this.#changes.close();
    }
  }

  /** Looks at the records of all open jobs; returns the milliseconds it took to read them. */
  async #look(): Promise<number> {
    const began = performance.now();
    let printing = 0;
    for await (const snapshots of this.#watch.look()) {
      const read = performance.now();
      await this.#observeAll(snapshots);
      printing += performance.now() - read;
    }
    this.#isFirstLook = false;
    return performance.now() - began - printing;
  }

  /** Prints what has come into the queue since the last time, without a look at thousands of records. */
  async #followPacks(): Promise<void> {
    if (this.#packsRead === undefined || this.#isFirstLook) return;
    const { signal } = this.#options;
    for (;;) {
      const packs = await this.#session.outputs.packsFrom(this.#watch.batch.id, this.#packsRead, packsPerRead);
      this.#packsRead += packs.length;
      for (const output of packs.flat()) {
        if (signal.aborted) return;
        await this.#printPacked(output);
      }
      if (packs.length < packsPerRead) return;
    }
  }

  /** An attempt that is not next in its turn waits for the look at its job's record, which knows of those before it. */
  async #printPacked(packed: PackedOutput): Promise<void> {
    const { ordinal, attempt } = packed;
    const known = this.#followed.get(ordinal);
    if (attempt !== (this.#printed[ordinal] ?? 0) + 1 || (known !== undefined && known.attempt !== attempt)) return;
    const id = jobId(this.#watch.batch.id, indexOf(this.#watch.batch.spec.jobs, ordinal));
    const offsets = (await this.#carried.into(ordinal, attempt)) ?? { out: 0, err: 0 };
    await this.#printRest(known ?? { name: { id, attempt, node: null }, offsets }, packed);
    await this.#end(known ?? { name: { id, attempt, node: null } });
    this.#printed[ordinal] = attempt;
  }

  /** In the order in which jobs ended; what is there at the start, in the order of the jobs. */
  async #observeAll(snapshots: readonly JobSnapshot[]): Promise<void> {
    const inOrder = this.#isFirstLook
      ? snapshots
      : snapshots.toSorted((a, b) => endOf(a) - endOf(b) || a.ordinal - b.ordinal);
    await this.#source.fetchAhead(
      this.#watch.batch,
      inOrder.filter(({ ordinal, job }) => job.attempt > (this.#printed[ordinal] ?? 0)),
    );
    for (const snapshot of inOrder) {
      if (this.#options.signal.aborted || this.#failure !== undefined) return;
      await this.#observe(snapshot);
    }
  }

  async #observe(snapshot: JobSnapshot): Promise<void> {
    const { ordinal, job } = snapshot;
    // An ended attempt's rest is still on its way from the node: the next attempt waits its turn.
    if (this.#followed.get(ordinal)?.ended === true) return;
    const over = attemptsOver(snapshot);
    const lines = this.#isFirstLook ? this.#options.lines : undefined;
    if (lines !== undefined) this.#printed[ordinal] = Math.max(0, (job.status === 'leased' ? over : job.attempt) - 1);
    for (const ended of await this.#newlyEnded(snapshot, over)) {
      await this.#finish(ordinal, ended, lines);
      if (this.#followed.get(ordinal)?.ended === true) return;
    }
    const output = outputOf(ordinal, snapshot);
    if (output?.place === 'live') await this.#follow(output, lines);
    if (job.status === 'ended' && (this.#printed[ordinal] ?? 0) >= over) this.#watch.close(ordinal);
  }

  /** Records of the attempts that have ended since the last look, oldest first. */
  async #newlyEnded(
    snapshot: JobSnapshot,
    over: number,
  ): Promise<{ readonly attempt: number; readonly stored: StoredJob | undefined }[]> {
    const { ordinal, job } = snapshot;
    const printed = this.#printed[ordinal] ?? 0;
    if (over <= printed) return [];
    if (over === printed + 1 && job.status === 'ended' && job.node !== undefined)
      return [{ attempt: over, stored: snapshot }];
    const earlier = await this.#session.jobs.history(this.#watch.batch, ordinal, over + 1);
    return Array.from({ length: over - printed }, (_, at) => {
      const attempt = printed + 1 + at;
      const isCurrent = attempt === job.attempt && job.status === 'ended' && job.node !== undefined;
      return { attempt, stored: isCurrent ? snapshot : earlier.find((stored) => stored.job.attempt === attempt) };
    });
  }

  async #follow(output: AttemptOutput, lines: number | undefined): Promise<void> {
    const { ordinal, attempt } = output;
    const name = await this.#source.nameOf(this.#watch.batch, output);
    const known = this.#followed.get(ordinal);
    if (known !== undefined && known.attempt === attempt && known.node === name.node) return;
    if (known !== undefined) this.#drop(known);
    const limit = outputLimit(this.#watch.batch, ordinal);
    const followed: Followed = {
      ordinal,
      attempt,
      name,
      node: name.node ?? '',
      // The attempt has moved: it goes on where it was.
      offsets: known?.attempt === attempt ? known.offsets : await this.#start(output, lines),
      until: this.#wanted(() => limit),
      ended: false,
      asked: false,
      resting: false,
    };
    this.#poll(followed);
  }

  /** An attempt is over: prints what has not been printed of it, or has its node asked for that. */
  async #finish(
    ordinal: number,
    { attempt, stored }: { readonly attempt: number; readonly stored: StoredJob | undefined },
    lines: number | undefined,
  ): Promise<void> {
    const output = stored === undefined ? undefined : outputOf(ordinal, stored);
    let known = this.#followed.get(ordinal);
    if (known !== undefined && known.attempt !== attempt) {
      await this.#end(known);
      known = undefined;
    }
    if (output === undefined || output.place === 'none' || output.place === 'live') {
      // Lost with its node, or given back: what was seen of it is all there will ever be.
      if (known !== undefined) {
        this.#carried.lost(ordinal, known.offsets);
        await this.#end(known);
      }
    } else {
      try {
        const followed = await this.#ending(known, output, lines);
        if (output.place === 'queue') {
          await this.#printRest(followed, await this.#source.packed(this.#watch.batch, output));
        } else {
          followed.until = this.#wanted((stream) => output.bytes[stream]);
          followed.ended = true;
          followed.resting = false;
          if (!isWhole(followed)) {
            this.#poll(followed);
            return;
          }
        }
        await this.#end(followed);
      } catch (error) {
        if (!isOmxError(error)) throw error;
        this.#options.onError(jobId(this.#watch.batch.id, indexOf(this.#watch.batch.spec.jobs, ordinal)), error);
        if (known !== undefined) await this.#end(known);
      }
    }
    this.#printed[ordinal] = attempt;
  }

  /** An attempt that has ended, where it did: since the last look it may have moved. */
  async #ending(known: Followed | undefined, output: AttemptOutput, lines: number | undefined): Promise<Followed> {
    const name = await this.#source.nameOf(this.#watch.batch, output);
    if (known?.node === (name.node ?? '')) return known;
    if (known !== undefined) this.#drop(known);
    const offsets = known?.offsets ?? (await this.#start(output, lines));
    return {
      ordinal: output.ordinal,
      attempt: output.attempt,
      name,
      node: name.node ?? '',
      offsets,
      until: output.bytes,
      ended: true,
      asked: false,
      resting: false,
    };
  }

  async #printRest(
    followed: Pick<Followed, 'name' | 'offsets'>,
    packed: Readonly<Record<StreamName, Buffer>>,
  ): Promise<void> {
    for (const stream of this.#options.streams) {
      const rest = packed[stream].subarray(followed.offsets[stream]);
      followed.offsets[stream] += rest.length;
      if (rest.length > 0) await this.#sink.write(followed.name, stream, rest);
    }
  }

  async #start(output: AttemptOutput, lines: number | undefined): Promise<Record<StreamName, number>> {
    const offsets = { out: 0, err: 0 };
    const carried = await this.#carried.into(output.ordinal, output.attempt);
    if (carried !== undefined || lines === undefined) return carried ?? offsets;
    for (const stream of this.#options.streams) {
      try {
        offsets[stream] = await this.#source.lastLines(this.#watch.batch, output, stream, lines);
      } catch (error) {
        if (!isOmxError(error) || output.place !== 'live') throw error;
      }
    }
    return offsets;
  }

  #poll(followed: Followed): void {
    this.#followed.set(followed.ordinal, followed);
    let poller = this.#pollers.get(followed.node);
    if (poller === undefined) {
      poller = new NodePoller(this.#session.asker(), this.#watch.batch.id, followed.node, {
        arrived: async (owner, piece) => this.#arrived(owner, piece),
        gone: (owner) => this.#give(owner, goneError(owner.attempt, `node ${owner.node} has it no more`)),
        unanswered: (owners, error) => {
          for (const owner of owners) this.#unanswered(owner, error);
        },
        failed: (error) => {
          this.#failure ??= error;
          this.#changes?.wake();
        },
      });
      this.#pollers.set(followed.node, poller);
    }
    poller.add(followed);
  }

  async #arrived(followed: Followed, { cursor, bytes }: ReadPiece): Promise<void> {
    if (this.#followed.get(followed.ordinal) !== followed) return;
    const { stream } = cursor;
    const printed = followed.offsets[stream];
    const fresh = bytes.subarray(printed - cursor.offset, Math.max(0, followed.until[stream] - cursor.offset));
    if (printed < cursor.offset || fresh.length === 0) return;
    followed.offsets[stream] += fresh.length;
    await this.#sink.write(followed.name, stream, fresh);
    if (followed.ended && isWhole(followed) && this.#followed.get(followed.ordinal) === followed)
      await this.#finished(followed);
  }

  /** A running job is asked about again anyway; of an ended one the rest is given up after a while. */
  #unanswered(followed: Followed, error: OmxError): void {
    if (!followed.ended || this.#followed.get(followed.ordinal) !== followed) return;
    const tries = (this.#tries.get(followed) ?? 0) + 1;
    this.#tries.set(followed, tries);
    if (tries >= mostTries) this.#give(followed, error);
  }

  #give(followed: Followed, error: OmxError): void {
    this.#options.onError(followed.name.id, error);
    this.#finished(followed).catch((failure: unknown) => {
      this.#failure ??= failure;
    });
  }

  /** The last byte of an ended attempt is printed; the next look takes up what comes after it. */
  async #finished(followed: Followed): Promise<void> {
    this.#printed[followed.ordinal] = followed.attempt;
    await this.#end(followed);
    this.#changes?.wake();
  }

  async #end(followed: Pick<Followed, 'name'> | Followed): Promise<void> {
    if ('ordinal' in followed) this.#drop(followed);
    for (const stream of this.#options.streams) await this.#sink.end(followed.name, stream);
  }

  #drop(followed: Followed): void {
    if (this.#followed.get(followed.ordinal) === followed) this.#followed.delete(followed.ordinal);
    const poller = this.#pollers.get(followed.node);
    poller?.remove(followed);
  }

  /** Streams nobody wants to see are not read: they end where they begin. */
  #wanted(size: (stream: StreamName) => number): Record<StreamName, number> {
    const of = (stream: StreamName): number => (this.#options.streams.includes(stream) ? size(stream) : 0);
    return { out: of('out'), err: of('err') };
  }
}

function isWhole(followed: Followed): boolean {
  return streamNames.every((stream) => followed.offsets[stream] >= followed.until[stream]);
}

function endOf({ job }: JobSnapshot): number {
  return job.status === 'ended' ? job.endedAt : Infinity;
}

/** One selection a batch: a job named twice is followed once. */
export function mergeSelections(selections: readonly Selection[]): Selection[] {
  const merged = new Map<Batch['id'], Selection>();
  for (const selection of selections) {
    const { batch, spans } = selection;
    const known = merged.get(batch.id);
    merged.set(
      batch.id,
      known === undefined
        ? selection
        : { batch, spans: [...known.spans, ...spans], whole: known.whole || selection.whole },
    );
  }
  return [...merged.values()];
}
