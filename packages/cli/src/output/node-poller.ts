import { setTimeout as delay } from 'node:timers/promises';

import { type BatchId, isOmxError, type OmxError } from '@omx/core';
import type { NodeAsker, ReadCursor, ReadPiece } from '@omx/queue';

import { type StreamName, streamNames } from './attempt-output.ts';
import { bytesPerAnswer } from './output-source.ts';
import type { AttemptName } from './sink.ts';

/** An attempt whose output is being read from a node. */
export interface Followed {
  readonly ordinal: number;
  readonly attempt: number;
  readonly name: AttemptName;
  readonly node: string;
  /** Bytes printed of each stream. */
  readonly offsets: Record<StreamName, number>;
  /** Where to stop: what is known of the attempt's end, or the limit of its output. */
  until: Readonly<Record<StreamName, number>>;
  /** The attempt has ended: the node has all of it. */
  ended: boolean;
  /** In a question that has not been answered yet. */
  asked: boolean;
  /** Not asked about until the next tick: the node has nothing more of it, or did not answer. */
  resting: boolean;
}

export interface PollerEvents {
  /** Bytes arrived; resolves when there is room for more. May be bytes known already: offsets decide. */
  readonly arrived: (followed: Followed, piece: ReadPiece) => Promise<void>;
  /** The node has no more of an attempt that was known to have ended, and it is not all. */
  readonly gone: (followed: Followed) => void;
  readonly unanswered: (followed: readonly Followed[], error: OmxError) => void;
  readonly failed: (error: unknown) => void;
}

const jobsPerQuestion = 100;
/** The first question of a node may wait long for news, a second one takes jobs that came meanwhile. */
const firstWaitMs = 400;
const secondWaitMs = 80;
const mostQuestions = 2;
/** After a short answer the same jobs are left alone so long, so that a chatty job is read in pieces worth a message. */
const restMs = 12;

/** Reads the outputs of attempts on one node: long-polled, at most two questions at a time, each of bounded size. */
export class NodePoller {
  readonly #asker: NodeAsker;
  readonly #batch: BatchId;
  readonly #node: string;
  readonly #events: PollerEvents;
  readonly #followed = new Map<number, Followed>();
  readonly #questions = new Set<Promise<void>>();
  #closed = false;

  constructor(asker: NodeAsker, batch: BatchId, node: string, events: PollerEvents) {
    this.#asker = asker;
    this.#batch = batch;
    this.#node = node;
    this.#events = events;
  }

  get size(): number {
    return this.#followed.size;
  }

  add(followed: Followed): void {
    this.#followed.set(followed.ordinal, followed);
    this.#ask();
  }

  remove(followed: Followed): void {
    if (this.#followed.get(followed.ordinal) === followed) this.#followed.delete(followed.ordinal);
  }

  /** Asks again about what had nothing more to say: its node may have taken it up again. */
  tick(): void {
    for (const followed of this.#followed.values()) followed.resting = false;
    this.#ask();
  }

  /** Waits for answers under way, as nobody may be left to take them. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#questions);
  }

  #ask(): void {
    while (!this.#closed && this.#questions.size < mostQuestions) {
      const free = [...this.#followed.values()].filter(({ asked, resting }) => !asked && !resting);
      if (free.length === 0) return;
      const jobs = free.slice(0, jobsPerQuestion);
      const question: Promise<void> = this.#question(jobs, this.#waitMs(free.length)).finally(() => {
        this.#questions.delete(question);
        this.#ask();
      });
      this.#questions.add(question);
    }
  }

  /** With more jobs than go into one question, questions go round among them. */
  #waitMs(free: number): number {
    if (free > jobsPerQuestion) return Math.max(10, Math.round((100 * jobsPerQuestion) / free));
    return this.#questions.size === 0 && this.#followed.size <= jobsPerQuestion ? firstWaitMs : secondWaitMs;
  }

  async #question(jobs: readonly Followed[], waitMs: number): Promise<void> {
    for (const job of jobs) {
      job.asked = true;
      // To the end of the round: whoever comes first may fill the whole answer.
      this.#followed.delete(job.ordinal);
      this.#followed.set(job.ordinal, job);
    }
    const wereEnded = new Set(jobs.filter((job) => job.ended));
    const owners = new Map<ReadCursor, Followed>();
    const unanswered = new Map<Followed, number>();
    for (const job of jobs) {
      for (const stream of streamNames) {
        if (job.offsets[stream] >= job.until[stream]) continue;
        owners.set({ ordinal: job.ordinal, attempt: job.attempt, stream, offset: job.offsets[stream] }, job);
        unanswered.set(job, (unanswered.get(job) ?? 0) + 1);
      }
    }
    try {
      const pieces = await this.#asker.ask(this.#node, {
        type: 'read',
        batch: this.#batch,
        cursors: [...owners.keys()],
        maxBytes: bytesPerAnswer,
        waitMs,
      });
      let bytes = 0;
      for (const piece of pieces) {
        const job = owners.get(piece.cursor);
        if (job === undefined) continue;
        bytes += piece.bytes.length;
        if (piece.ended) unanswered.set(job, (unanswered.get(job) ?? 0) - 1);
        if (piece.bytes.length > 0) await this.#events.arrived(job, piece);
      }
      for (const [job, streams] of unanswered) if (streams === 0) this.#exhausted(job, wereEnded.has(job));
      if (bytes < bytesPerAnswer / 16) await delay(restMs);
    } catch (error) {
      for (const job of jobs) job.resting = true;
      if (isOmxError(error)) this.#events.unanswered(jobs, error);
      else this.#events.failed(error);
    } finally {
      for (const job of jobs) job.asked = false;
    }
  }
  /** The node does not run it (any more). What it says next about it stands in the job's record, not here. */
  #exhausted(job: Followed, wasEnded: boolean): void {
    const isWhole = streamNames.every((stream) => job.offsets[stream] >= job.until[stream]);
    if (wasEnded && !isWhole && this.#followed.get(job.ordinal) === job) this.#events.gone(job);
    job.resting = true;
  }
}
