import {
  type AfterRule,
  batchState,
  type Batch,
  type BatchId,
  doneCount,
  hasFailed,
  ordinalOf,
  parseBatchId,
  parseSpans,
  eachOf,
} from '@omx/core';
import { type BatchStore, globalKeys, type JobStore } from '@omx/queue';

type Verdict = 'wait' | 'met' | 'impossible';

/** Releases or cancels batches that wait for others (`--after`), as those end. */
export class Dependencies {
  readonly #batches: BatchStore;
  readonly #jobs: JobStore;

  constructor(batches: BatchStore, jobs: JobStore) {
    this.#batches = batches;
    this.#jobs = jobs;
  }

  /** @returns the batches released */
  async check(release: (batch: Batch) => Promise<void>): Promise<void> {
    const ids = (await this.#batches.redis.smembers(globalKeys.waiting)) as BatchId[];
    for (const id of ids) {
      const batch = await this.#batches.find(id);
      // Announced but not made yet, or gone: the next look decides.
      if (batch === undefined) continue;
      if (batch.untouched !== 'held') {
        await this.#batches.redis.srem(globalKeys.waiting, id);
        continue;
      }
      await this.#decide(batch, release);
    }
  }

  async #decide(batch: Batch, release: (batch: Batch) => Promise<void>): Promise<void> {
    const verdicts = await Promise.all(
      batch.spec.after.map(async (rule) => ({ rule, verdict: await this.#verdict(rule) })),
    );
    const impossible = verdicts.find(({ verdict }) => verdict === 'impossible');
    if (impossible !== undefined) {
      const { selector, on } = impossible.rule;
      const note = `cancelled: it waited for ${selector} to end ${on === 'failed' ? 'with a failure' : 'well'}, and that did not happen`;
      await this.#batches.changeUntouched(batch, 'cancelled', note);
      await this.#batches.addNote(batch.id, note);
    } else if (verdicts.every(({ verdict }) => verdict === 'met')) {
      await this.#batches.addNote(
        batch.id,
        `what it waited for has ended: ${batch.spec.after.map((rule) => rule.selector).join(', ')}`,
      );
      if (!batch.spec.hold) await release(batch);
    } else return;
    await this.#batches.redis.srem(globalKeys.waiting, batch.id);
  }

  async #verdict(rule: AfterRule): Promise<Verdict> {
    const [id = '', jobs] = rule.selector.split('.');
    const batch = await this.#batches.find(parseBatchId(id));
    if (batch === undefined) return 'impossible';
    const { ended, failed } = jobs === undefined ? await this.#wholeBatch(batch) : await this.#someJobs(batch, jobs);
    if (!ended) return 'wait';
    if (rule.on === 'any') return 'met';
    return (rule.on === 'failed') === failed ? 'met' : 'impossible';
  }

  async #wholeBatch(batch: Batch): Promise<{ ended: boolean; failed: boolean }> {
    const { counts } = await this.#batches.progress(batch);
    return { ended: doneCount(counts) === batch.total, failed: batchState(counts, batch.total) !== 'succeeded' };
  }

  async #someJobs(batch: Batch, indexes: string): Promise<{ ended: boolean; failed: boolean }> {
    const ordinals = [...eachOf(parseSpans(indexes))].flatMap((index) => ordinalOf(batch.spec.jobs, index) ?? []);
    const jobs = (await this.#jobs.read(batch, ordinals)).map((snapshot) => snapshot.job);
    return {
      ended: jobs.every((job) => job.status === 'ended'),
      failed: jobs.some((job) => hasFailed(job) || (job.status === 'ended' && job.outcome.kind === 'cancelled')),
    };
  }
}
