import { access } from 'node:fs/promises';
import { join } from 'node:path';

import {
  type Batch,
  batchState,
  doneCount,
  type Bytes,
  indexOf,
  isOmxError,
  type Job,
  jobId,
  type NodeInfo,
  parseBatchId,
  textOf,
} from '@omx/core';
import { ExcuseStore, ImageStore, type JobSnapshot, type MoveEntry, MoveLog, type StoredJob } from '@omx/queue';

import { JobCommands } from '../acting/job-commands.ts';
import type { Session } from '../session.ts';
import { endedReasons, type EndedJob } from './ended.ts';
import { formatAttempt } from './attempts.ts';
import { imageReason, moveReasons } from './moves.ts';
import { noteText, notesOfJob } from './notes.ts';
import { quarantinedReasons } from './quarantined.ts';
import { runningReasons } from './running.ts';
import { heldReasons, queuedReasons } from './waiting.ts';

/** Gathers what is known of a batch's jobs, and says why each is as it is. */
export class Explainer {
  readonly #session: Session;
  readonly #batch: Batch;
  readonly #commands: JobCommands;
  readonly #now: number;
  nodeNames: ReadonlyMap<number, string> = new Map();
  notes: readonly string[] = [];
  #nodes: readonly NodeInfo[] = [];
  #moves: readonly MoveEntry[] = [];
  #active = 0;
  #dependencies: readonly string[] = [];
  #environment: readonly Bytes[] | undefined;

  private constructor(session: Session, batch: Batch, now: number) {
    this.#session = session;
    this.#batch = batch;
    this.#commands = new JobCommands(session.batches, batch);
    this.#now = now;
  }

  static async of(session: Session, batch: Batch, now: number): Promise<Explainer> {
    const explainer = new Explainer(session, batch, now);
    await explainer.#gather();
    return explainer;
  }

  /** All that can be said about one job. */
  async reasons(snapshot: JobSnapshot): Promise<string[]> {
    const { job, ordinal } = snapshot;
    const id = this.#idOf(ordinal);
    return [
      ...(await this.presentReasons(snapshot, id)),
      ...(await this.#image(job, ordinal)),
      ...moveReasons(
        this.#moves.filter((entry) => entry.ordinal === ordinal),
        this.#now,
      ),
      ...(await this.#earlierAttempts(job, ordinal)),
      ...notesOfJob(this.notes, id, job).map((line) => `noted: ${noteText(line, this.#now)}`),
    ];
  }

  /** @param id what the hints name: the job, or a group it stands for */
  async presentReasons(snapshot: JobSnapshot, id: string): Promise<string[]> {
    const { job, ordinal } = snapshot;
    const spec = this.#commands.specOf(ordinal);
    const now = this.#now;
    if (job.status === 'ended') return this.#ended(snapshot, job, id);
    if (job.status === 'queued' || job.status === 'held') {
      const facts = {
        id,
        job,
        batch: this.#batch,
        spec,
        nodes: this.#nodes,
        active: this.#active,
        dependencies: this.#dependencies,
        now,
      };
      if (job.status === 'held') return heldReasons(facts);
      return [...queuedReasons(facts), ...quarantinedReasons(spec, this.#nodes)];
    }
    const node = this.nodeName(job.node);
    return runningReasons({ id, job, node, info: this.#nodes.find((known) => known.name === node), spec, now });
  }

  nodeName(number: number): string {
    return this.nodeNames.get(number) ?? `node ${number}`;
  }

  async #gather(): Promise<void> {
    const { batches, nodes } = this.#session;
    const { id } = this.#batch;
    const [progress, nodeNames, notes, known, moves] = await Promise.all([
      batches.progress(this.#batch),
      batches.nodeNames(id),
      batches.notes(id),
      nodes.list(),
      new MoveLog(this.#session.redis).all(id),
    ]);
    this.#active = progress.counts.running + progress.counts.paused + progress.counts.frozen;
    this.nodeNames = nodeNames;
    this.notes = notes;
    this.#nodes = known;
    this.#moves = moves;
    if (this.#batch.untouched === 'held')
      this.#dependencies = await Promise.all(
        this.#batch.spec.after.map(async ({ selector }) => this.#dependency(selector)),
      );
  }

  async #dependency(selector: string): Promise<string> {
    const { batches } = this.#session;
    try {
      const batch = await batches.load(parseBatchId(selector.split('.')[0] ?? ''));
      const { counts } = await batches.progress(batch);
      return `${batch.id} is ${batchState(counts, batch.total)}, ${doneCount(counts)}/${batch.total} done`;
    } catch (error) {
      if (!isOmxError(error)) throw error;
      return `${selector} is no longer in the queue`;
    }
  }

  async #ended(snapshot: JobSnapshot, job: EndedJob, id: string): Promise<string[]> {
    const { ordinal, pack } = snapshot;
    const spec = this.#commands.specOf(ordinal);
    const notStarted = job.outcome.kind === 'not-started';
    const argv = notStarted ? await this.#commands.argv(ordinal) : [];
    const program = textOf(argv[0] ?? ('' as Bytes));
    return endedReasons({
      id,
      job,
      node: job.node === undefined ? undefined : this.nodeName(job.node),
      spec,
      argv,
      cancelNote: this.#cancelNote(snapshot),
      path: notStarted ? await this.#path() : undefined,
      programInCwd:
        notStarted && program !== '' && !program.includes('/') && (await isThere(join(textOf(spec.cwd), program))),
      lastWords: pack === undefined ? undefined : await this.#lastWords(ordinal, job.attempt, pack),
    });
  }

  /** Jobs nobody had touched are cancelled by a mark on the batch, and it alone knows who did it. */
  #cancelNote({ job, record }: JobSnapshot): string | undefined {
    const { note } = this.#batch;
    return job.status === 'ended' && isUntouched(record) && note.startsWith('cancelled') ? note : undefined;
  }

  async #path(): Promise<string | undefined> {
    this.#environment ??= await this.#session.batches.environment(this.#batch.spec.env).catch(() => []);
    const entry = this.#environment.findLast((each) => each.startsWith('PATH='));
    return entry === undefined ? undefined : textOf(entry).slice('PATH='.length);
  }

  async #lastWords(ordinal: number, attempt: number, pack: number): Promise<string | undefined> {
    const output = await this.#session.outputs.find(this.#batch.id, pack, ordinal, attempt);
    const lines = output?.err.subarray(-2000).toString('utf8').trimEnd().split('\n');
    return lines?.at(-1)?.trim() || undefined;
  }

  async #image(job: Job, ordinal: number): Promise<string[]> {
    if (!('launcher' in job) || job.launcher !== 'criu' || job.status === 'ended') return [];
    const image = await new ImageStore(this.#session.redis).get(this.#batch.id, ordinal);
    return image === undefined ? [] : [imageReason(image, this.#now)];
  }

  async #earlierAttempts(job: Job, ordinal: number): Promise<string[]> {
    // A job that waits for its next attempt has the newest one in its history too.
    const newest = job.status === 'queued' || job.status === 'held' ? job.attempt + 1 : job.attempt;
    const history: StoredJob[] = newest <= 1 ? [] : await this.#session.jobs.history(this.#batch, ordinal, newest);
    const excused = await new ExcuseStore(this.#session.redis).ofJob(this.#batch.id, ordinal, newest - 1);
    return history.flatMap(({ job: earlier }) =>
      earlier.status === 'ended'
        ? [
            formatAttempt(earlier, {
              node: earlier.node === undefined ? undefined : this.nodeName(earlier.node),
              excused: excused.has(earlier.attempt),
            }),
          ]
        : [],
    );
  }

  #idOf(ordinal: number): string {
    return jobId(this.#batch.id, indexOf(this.#batch.spec.jobs, ordinal));
  }
}

/** A record of zeros: see the queue's codec. */
function isUntouched(record: Buffer): boolean {
  return record.every((byte) => byte === 0);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
