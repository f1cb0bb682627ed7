import { type Batch, type BatchProgress, doneCount, indexOf, type Job, jobId, type Span } from '@omx/core';
import { batchKeys, ExcuseStore, isMoved, type JobSnapshot, MoveLog } from '@omx/queue';

import { JobWatch } from '../output/job-watch.ts';
import type { Selection } from '../select.ts';
import type { Session } from '../session.ts';
import { batchEvents, cancelTime } from './batch-events.ts';
import type { JobEvent, OmxEvent } from './event.ts';
import { attemptsOver, jobEvents, needsHistory, type RankedEvent } from './job-events.ts';
import { moveEvent } from './move-events.ts';

/** Of one job: where it is in its batch, and what happened to it. */
export interface JobLife {
  readonly ordinal: number;
  readonly events: readonly RankedEvent[];
}

/**
 * What happened to the selected jobs of a batch, and to the batch itself where it is selected as a whole; each event
 * once. Four bytes a job tell how far it has been told.
 */
export class BatchFeed {
  readonly #session: Session;
  readonly #whole: boolean;
  readonly #spans: readonly Span[];
  /** By ordinal: rank of the newest event that was told. */
  readonly #told: Uint32Array;
  readonly #toldOfBatch = new Set<string>();
  #batch: Batch;
  #progress: BatchProgress | undefined;
  #nodeNames: ReadonlyMap<number, string> = new Map();
  #cancelledAt = 0;
  #hasExcuses = false;
  readonly #moves: MoveLog;
  /** How far the log of moves has been read. */
  #movesAfter = '0';
  /** `ordinal#attempt` → where it was started: its record knows no more than where it is. */
  readonly #startNodes = new Map<string, string>();
  #watch: JobWatch | undefined;
  #closed = 0;

  constructor(session: Session, { batch, spans, whole }: Selection) {
    this.#session = session;
    this.#batch = batch;
    this.#whole = whole;
    this.#spans = spans;
    this.#told = new Uint32Array(batch.total);
    this.#moves = new MoveLog(session.redis);
  }

  get batch(): Batch {
    return this.#batch;
  }

  /** Nothing more will happen to what is selected, unless somebody runs it again. */
  get isOver(): boolean {
    return this.#whole ? this.#isEnded : this.#watch?.isDone === true;
  }

  get endedAt(): number | undefined {
    return this.#progress?.endedAt;
  }

  get #isEnded(): boolean {
    return this.#progress !== undefined && doneCount(this.#progress.counts) === this.#batch.total;
  }

  /** Reads how the batch is and which of its jobs moved; what is told of its jobs afterwards is at least as new. */
  async readBatch(): Promise<OmxEvent[]> {
    const { batches, redis } = this.#session;
    this.#batch = await batches.refresh(this.#batch);
    const { id } = this.#batch;
    const [progress, notes, excuses, moves] = await Promise.all([
      batches.progress(this.#batch),
      batches.notes(id),
      redis.exists(batchKeys(id).excused),
      this.#readMoves(),
    ]);
    this.#hasExcuses = excuses === 1;
    this.#progress = progress;
    this.#cancelledAt = cancelTime(this.#batch, progress, notes);
    if (!this.#whole) return moves;
    const ofBatch = batchEvents(this.#batch, progress, notes).filter((event) => {
      const key = `${event.type} ${event.at}${event.type === 'batch-note' ? event.text : ''}`;
      if (this.#toldOfBatch.has(key)) return false;
      this.#toldOfBatch.add(key);
      return true;
    });
    return [...ofBatch, ...moves];
  }

  /** New entries of the log of moves that are about selected jobs. */
  async #readMoves(): Promise<JobEvent[]> {
    const { entries, next } = await this.#moves.read(this.#batch.id, this.#movesAfter);
    this.#movesAfter = next;
    return entries.flatMap((entry) => {
      const { ordinal, attempt } = entry;
      if (!this.#spans.some((span) => spanHas(span, ordinal))) return [];
      const key = `${ordinal}#${attempt}`;
      if (isMoved(entry) && !this.#startNodes.has(key)) this.#startNodes.set(key, entry.from);
      return [moveEvent(this.#idOf(ordinal), entry)];
    });
  }

  /** All selected jobs of which there is something new to tell, block by block. */
  async *scan(): AsyncGenerator<JobLife[]> {
    for await (const snapshots of this.#session.jobs.scan(this.#batch, this.#spans)) yield await this.#news(snapshots);
  }

  /** The events of these jobs, told or not. */
  async again(ordinals: readonly number[]): Promise<JobLife[]> {
    const snapshots = await this.#session.jobs.read(this.#batch, ordinals);
    return Promise.all(
      snapshots.map(async (snapshot) => ({ ordinal: snapshot.ordinal, events: await this.#lifeOf(snapshot, 0) })),
    );
  }

  /** What is new since the last look. */
  async *look(): AsyncGenerator<OmxEvent[]> {
    const ofBatch = await this.readBatch();
    const done = this.#progress === undefined ? 0 : doneCount(this.#progress.counts);
    // Jobs that had ended are to be done again; at the end, a look at all shows what came and went between two looks.
    if (this.#watch === undefined || (this.#whole && (done < this.#closed || this.#isEnded))) {
      this.#watch = new JobWatch(this.#session, this.#batch, this.#spans);
      this.#closed = 0;
    }
    const isEnd = ({ type }: OmxEvent): boolean => type === 'batch-ended';
    yield ofBatch.filter((event) => !isEnd(event));
    for await (const snapshots of this.#watch.look()) {
      yield (await this.#news(snapshots)).flatMap(({ events }) => events.map(({ event }) => event));
      for (const { ordinal, job } of snapshots) {
        if (job.status !== 'ended') continue;
        this.#watch.close(ordinal);
        this.#closed += 1;
      }
    }
    // Of a job that has moved and ended since the log was read, the move is told with the end.
    yield await this.#readMoves();
    yield ofBatch.filter(isEnd);
  }

  async #news(snapshots: readonly JobSnapshot[]): Promise<JobLife[]> {
    const touched = snapshots.filter(({ job }) => job.attempt > 0 || job.status === 'ended');
    const lives = await Promise.all(
      touched.map(async (snapshot) => {
        const { ordinal } = snapshot;
        const told = this.#told[ordinal] ?? 0;
        const events = (await this.#lifeOf(snapshot, told)).filter(({ rank }) => rank > told);
        this.#told[ordinal] = Math.max(told, ...events.map(({ rank }) => rank));
        return { ordinal, events };
      }),
    );
    return lives.filter(({ events }) => events.length > 0);
  }

  async #lifeOf({ job, ordinal }: JobSnapshot, told: number): Promise<RankedEvent[]> {
    const stored = needsHistory(job, told)
      ? await this.#session.jobs.history(this.#batch, ordinal, attemptsOver(job) + 1)
      : [];
    const history = stored.map((attempt) => attempt.job);
    await this.#knowNodes([...history, job]);
    const excuses =
      this.#hasExcuses && history.length > 0
        ? await new ExcuseStore(this.#session.redis).ofJob(this.#batch.id, ordinal, attemptsOver(job))
        : new Map<number, string>();
    return jobEvents({
      id: this.#idOf(ordinal),
      job,
      history,
      excused: new Set(excuses.keys()),
      nodeName: (number) => this.#nodeNames.get(number) ?? `node ${number}`,
      startNode: (attempt) => this.#startNodes.get(`${ordinal}#${attempt}`),
      cancelledAt: this.#cancelledAt,
    });
  }

  #idOf(ordinal: number): string {
    return jobId(this.#batch.id, indexOf(this.#batch.spec.jobs, ordinal));
  }

  async #knowNodes(records: readonly Job[]): Promise<void> {
    if (records.some((job) => 'node' in job && job.node !== undefined && !this.#nodeNames.has(job.node)))
      this.#nodeNames = await this.#session.batches.nodeNames(this.#batch.id);
  }
}

function spanHas({ first, last }: Span, ordinal: number): boolean {
  return ordinal >= Math.min(first, last) && ordinal <= Math.max(first, last);
}

export function wholeBatch(batch: Batch): Selection {
  return { batch, spans: [{ first: 0, last: batch.total - 1 }], whole: true };
}
