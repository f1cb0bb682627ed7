import { setTimeout as delay } from 'node:timers/promises';

import { type AttemptEnd, type Batch, type BatchId, type NodeState } from '@omx/core';
import { type BatchStore, type JobStore, type NodeStore, queueClock } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt } from './attempt.ts';
import type { BatchCache } from './batch-cache.ts';
import { blamesNode, compare, Trial } from './comparison.ts';
import { excuse, type Excused } from './excuse.ts';
import type { BatchFolders } from './self-test.ts';
import { type Failure, signOf, Streak, streakGapMs, streakLength } from './streak.ts';

/** Between two looks at a streak: at first short, as a batch of short jobs is soon eaten up, then longer. */
const firstLookMs = 50;
const longestLookMs = 5000;
/** A node in quarantine looks so often whether it still has to be. */
const recheckMs = 5000;
/** Ends that come together are excused together. */
const gatherMs = 100;
const mostBatches = 8;

interface QuarantineOptions {
  readonly node: string;
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly nodes: Pick<NodeStore, 'list'>;
  readonly cache: BatchCache;
  readonly membership: {
    readonly state: NodeState;
    readonly distrust: (reason: string) => Promise<void>;
    readonly trust: (why: string) => Promise<void>;
  };
  readonly selfTest: { readonly run: (folders?: readonly BatchFolders[]) => Promise<string | undefined> };
  /** The node takes no more jobs: what it has claimed and not started is for others. */
  readonly onBegin: () => void;
  /** It takes jobs again. */
  readonly onEnd: () => void;
  readonly log: Logger;
}

/** Why the node is in quarantine. */
type Case =
  /** It cannot do what every job needs; it comes back by itself when it can. */
  | { readonly kind: 'broken'; readonly reason: string; readonly folders: readonly BatchFolders[] }
  /** Others run well what fails here. */
  | { readonly kind: 'worse'; readonly reason: string; readonly batch: Batch };

/**
 * Watches how jobs end here and takes the node out of service where the failures are its own. A streak of failures at
 * once proves nothing, as the batch may be at fault; so the node tests itself, and compares with how other nodes fare
 * with jobs of the same batches. The failures of a broken node are taken back (`excuse`).
 *
 * Of two nodes that suspect themselves because of each other each would have to have succeeded after the other's streak
 * began, and so within its own; hence the last node on which jobs succeed never does.
 */
export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #streak = new Streak();
  readonly #closing = new AbortController();
  /** Batches whose jobs were found to fail everywhere. */
  readonly #ownFault = new Set<BatchId>();
  #case: Case | undefined;
  #watching = false;
  #firstLook: Promise<void> | undefined;
  /** Failures before this moment, by the queue's clock, were seen while the node was well. */
  #wellAt = 0;
  /** Of jobs that were running when the quarantine began. */
  #late: Failure[] = [];
  #excusing: Promise<void> | undefined;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** An attempt has ended here, and its end is on record. */
  ended(attempt: Attempt, end: AttemptEnd): void {
    const sign = signOf(end);
    if (sign === 'none') return;
    if (this.#case !== undefined && this.#options.membership.state === 'quarantined') {
      if (sign !== 'good') this.#excuseSoon(failureOf(attempt, end));
    } else if (sign === 'failed-at-once') {
      this.#streak.add(failureOf(attempt, end));
      if (this.#streak.length >= streakLength) this.#watch();
    } else this.#streak.end();
  }

  close(): void {
    this.#closing.abort();
  }

  /** A batch is about to be cancelled for its failures: looks whether the latest here are the node's own, and takes them back. */
  async settle(): Promise<void> {
    if (this.#case === undefined && this.#streak.length > 0) this.#watch();
    await this.#firstLook;
    await this.#excusing;
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#firstLook = new Promise((looked) => {
      this.#start(async () => {
        try {
          await this.#look(looked);
        } finally {
          this.#watching = false;
          looked();
        }
      });
    });
  }

  /** Looks at the streak until it is over or explained. */
  async #look(looked: () => void): Promise<void> {
    let least = 1;
    for (let pauseMs = firstLookMs; this.#goesOn(least); pauseMs = Math.min(2 * pauseMs, longestLookMs)) {
      const found = (await this.#testSelf()) ?? (await this.#compareWithOthers());
      if (found !== undefined && this.#streak.length > 0) return this.#quarantine(found, looked);
      looked();
      least = streakLength;
      await this.#pause(pauseMs);
    }
  }

  #goesOn(least: number): boolean {
    const last = this.#streak.failures.at(-1);
    if (last === undefined || queueClock.now() - last.at > streakGapMs) return false;
    return this.#streak.length >= least && this.#options.membership.state !== 'quarantined';
  }

  async #testSelf(): Promise<Case | undefined> {
    const folders = await this.#folders();
    const at = queueClock.now();
    const reason = await this.#options.selfTest.run(folders);
    if (reason !== undefined) return { kind: 'broken', reason, folders };
    this.#wellAt = at;
    return undefined;
  }

  async #folders(): Promise<BatchFolders[]> {
    const folders: BatchFolders[] = [];
    for (const id of this.#batches()) {
      const runtime = await this.#options.cache.get(id);
      const tmp = runtime?.environment.findLast((entry) => entry.startsWith('TMPDIR='))?.slice('TMPDIR='.length);
      if (runtime !== undefined)
        folders.push({
          cwd: runtime.batch.spec.cwd,
          ...(tmp?.startsWith('/') === true ? { tmp: tmp as BatchFolders['cwd'] } : {}),
        });
    }
    return folders;
  }

  /** The batches of the newest failures. */
  #batches(): BatchId[] {
    const newest = this.#streak.failures.slice(-1000).toReversed();
    return [...new Set(newest.map(({ batch }) => batch))].slice(0, mostBatches);
  }

  async #compareWithOthers(): Promise<Case | undefined> {
    const { node, nodes, batches, jobs } = this.#options;
    const up = new Set(
      (await nodes.list()).flatMap(({ name, state, role }) =>
        state === 'up' && role !== 'home' && name !== node ? [name] : [],
      ),
    );
    const since = this.#streak.failures[0]?.at;
    if (up.size === 0 || since === undefined) return undefined;
    for (const id of this.#batches()) {
      const batch = this.#ownFault.has(id) ? undefined : await batches.find(id);
      if (batch === undefined) continue;
      const others = new Set(
        [...(await batches.nodeNames(id))].flatMap(([number, name]) => (up.has(name) ? [number] : [])),
      );
      const failures = this.#streak.failures.filter((failure) => failure.batch === id);
      if (!blamesNode(await compare(jobs, batch, { others, failures, since }))) continue;
      const reason = `${failures.length} jobs of ${id} in a row failed here at once, while other nodes ran others of ${id} well`;
      return { kind: 'worse', reason, batch };
    }
    return undefined;
  }

  async #quarantine(found: Case, takenBack: () => void): Promise<void> {
    const { membership, onBegin } = this.#options;
    // What failed before a test that went well was not the fault of what is broken now.
    const failures = this.#streak.failures.filter(({ at }) => found.kind === 'worse' || at >= this.#wellAt);
    this.#case = found;
    this.#streak.end();
    await membership.distrust(found.reason);
    onBegin();
    const excused = await this.#excuse(found.reason, failures);
    takenBack();
    if (found.kind === 'broken') await this.#untilTrusted(async () => this.#trustIfWell(found.folders));
    else {
      const own = excused.find(({ batch }) => batch.id === found.batch.id);
      const trial = own && (await Trial.begin(this.#options.jobs, own.batch, own.attempts));
      await this.#untilTrusted(async () => this.#trustIfBatchIsToBlame(trial));
    }
    this.#case = undefined;
    this.#options.onEnd();
  }

  /** A person may end it at any time. */
  async #untilTrusted(look: () => Promise<void>): Promise<void> {
    while (this.#options.membership.state === 'quarantined') {
      await this.#pause(recheckMs);
      await look().catch((error: unknown) =>
        this.#options.log.error({ err: error }, 'the quarantine was not looked at'),
      );
    }
  }

  async #trustIfWell(folders: readonly BatchFolders[]): Promise<void> {
    const { selfTest, membership } = this.#options;
    if ((await selfTest.run(folders)) === undefined) await membership.trust('it can do again what every job needs');
  }

  /** The comparison may be wrong, as jobs of a batch differ; jobs that fail elsewhere, too, show it. */
  async #trustIfBatchIsToBlame(trial: Trial | undefined): Promise<void> {
    const { jobs, membership } = this.#options;
    if (trial === undefined || (await trial.verdict(jobs)) !== 'jobs') return;
    this.#ownFault.add(trial.batch.id);
    await membership.trust(`jobs of ${trial.batch.id} that failed here fail elsewhere, too`);
  }

  #excuseSoon(failure: Failure): void {
    this.#late.push(failure);
    if (this.#late.length > 1) return;
    this.#excusing = this.#excuseLate();
    this.#start(async () => this.#excusing);
  }

  async #excuseLate(): Promise<void> {
    while (this.#late.length > 0) {
      await this.#pause(gatherMs);
      const failures = [...this.#late];
      await this.#excuse(this.#case?.reason ?? '', failures);
      this.#late = this.#late.slice(failures.length);
    }
  }

  async #excuse(reason: string, failures: readonly Failure[]): Promise<Excused[]> {
    const { node, log } = this.#options;
    const excused = await excuse(this.#options, node, reason, failures).catch((error: unknown) => {
      log.error({ err: error }, 'failures could not be taken back');
      return [];
    });
    const jobs = excused.reduce((sum, { attempts }) => sum + attempts.size, 0);
    if (jobs > 0) log.warn({ jobs }, 'failures are taken back: they were the fault of this node');
    return excused;
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { ref: false, signal: this.#closing.signal });
  }

  #start(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#options.log.error({ err: error }, 'failing jobs were not looked into');
    });
  }
}

function failureOf({ batch, ordinal, index, number, snapshot }: Attempt, { at }: AttemptEnd): Failure {
  return { batch, ordinal, index, attempt: number, retried: snapshot.job.status !== 'ended', at };
}
