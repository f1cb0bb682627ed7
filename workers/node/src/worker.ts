import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { errorOf, isOmxError } from '@omx/core';
import { readPlace, readProcessTable, Shepherd } from '@omx/launch';
import {
  BatchStore,
  describeAddress,
  JobStore,
  localAddress,
  NodeStore,
  openConnection,
  type Redis,
  requireSafeServer,
  serveRequests,
} from '@omx/queue';

import { ownAccount } from './account.ts';
import { adopt } from './adoption.ts';
import { Attempts } from './attempt.ts';
import { BatchCache } from './batch-cache.ts';
import { earlierOf } from './capsule-jobs.ts';
import { nodeIdentity } from './identity.ts';
import { Lease } from './lease.ts';
import { Membership } from './membership.ts';
import { NodeLoad } from './node-load.ts';
import { giveAwayAndLeave } from './moving/give-away.ts';
import { makeParts, type NodeParts } from './node-parts.ts';
import { NodeLaunchers } from './node-launchers.ts';
import { OutputReader } from './reader.ts';
import { checkPaths } from './path-check.ts';
import { beginRounds } from './rounds.ts';
import { Timers } from './timers.ts';
import { readUsage } from './usage-reader.ts';
import { listenForWakeUps } from './wake-channel.ts';
import type { WorkerOptions } from './worker-options.ts';

/** How often the lease is renewed; a short one several times before it ends. */
const longestBeatMs = 2000;
const homeLookMs = 5000;
/** One cause of a lost connection is told so often. */
const sameReasonMs = 60_000;

/**
 * The worker of one node. It takes chunks from the queue when it has room, has the shepherd start their jobs, and
 * writes down how they end. It keeps nothing that is not in Redis or in the shepherd's journal, so it may be killed at
 * any moment: the next one adopts the processes that are still running.
 */
export class NodeWorker {
  readonly #options: WorkerOptions;
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #attempts = new Attempts();
  readonly #timers = new Timers((error) => this.#failed(error));
  #parts: NodeParts | undefined;
  /** The same, of a worker that has been told to leave. */
  #leavingParts: NodeParts | undefined;
  #busyAt = performance.now();
  /** Of the embedded queue's server. */
  #serverPid: number | undefined;
  #leaving: Promise<void> | undefined;
  /** What was last said of a lost connection, and when (ms of `performance.now`). */
  #disturbance = { reason: '', at: 0 };
  #stopped: (() => void) | undefined;
  #gaveUp: ((reason: Error) => void) | undefined;
  /** Resolves when the worker has stopped, by request or because it must not go on; rejects when it cannot go on. */
  readonly stopped = new Promise<void>((resolve, reject) => {
    this.#stopped = resolve;
    this.#gaveUp = reject;
  });

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#redis = openConnection(options.address);
    this.#subscriber = openConnection(options.address);
    for (const connection of [this.#redis, this.#subscriber])
      connection.on('error', (error: Error) => this.#connectionError(error));
    this.#redis.on('close', () => this.#parts?.rescuer.queueWasAway());
    this.#redis.on('ready', () => {
      this.#disturbance.reason = '';
    });
  }

  /** Resolves when the node takes jobs. */
  async start(): Promise<void> {
    const { name, nodeDir, log } = this.#options;
    mkdirSync(nodeDir, { recursive: true, mode: 0o700 });
    mkdirSync(dirname(this.#options.shepherdSocket), { recursive: true, mode: 0o700 });
    await this.#redis.ping();
    await requireSafeServer(this.#redis, describeAddress(this.#options.address), this.#subscriber);
    // A server that runs for us alone; any other's work is not ours.
    if ('socket' in this.#options.address)
      this.#serverPid = Number(/process_id:(\d+)/.exec(await this.#redis.info('server'))?.[1]);
    const launchers = await NodeLaunchers.detect(this.#options.launchers);
    const batches = new BatchStore(this.#redis);
    const jobs = new JobStore(batches);
    const nodes = new NodeStore(this.#redis);
    const cache = new BatchCache(batches, name, launchers);
    const load = new NodeLoad({ slots: this.#options.slots, own: () => this.#ownProcesses() });
    const { maxSlots } = load;
    const identity = nodeIdentity(nodeDir);
    const { leaseMs, onLost, role, labels, version, map } = this.#options;
    const lease = new Lease({ nodes, name, identity, leaseMs, onLost });
    const place = readPlace();
    const membership = new Membership({
      redis: this.#redis,
      nodes,
      lease,
      constants: {
        name,
        identity,
        role,
        labels,
        version,
        maxSlots,
        leaseMs,
        account: ownAccount(),
        onLost,
        place,
        address: this.#options.reachableAt ?? localAddress(this.#redis),
        ...(map === undefined ? {} : { map }),
      },
      status: () => ({
        slots: load.slots,
        running: this.#attempts.running,
        speed: load.speed,
        load: load.latest,
        facts: launchers.facts,
        trying: launchers.trying,
      }),
      log,
      onBack: async () => {
        await this.#parts?.wishes.checkAll();
        this.#parts?.takeLoop.wake();
      },
      onReplaced: () => void this.stop().catch((error: unknown) => this.#failed(error)),
      onDeaf: () => this.#shepherdDeaf(),
    });
    await membership.join();
    const shepherd = await Shepherd.open({ stateDir: nodeDir, socketPath: this.#options.shepherdSocket });
    const parts = makeParts({
      options: this.#options,
      redis: this.#redis,
      subscriber: this.#subscriber,
      address: this.#options.reachableAt ?? localAddress(this.#redis),
      launchers: () => launchers.facts.filter(({ usable }) => usable).map((fact) => fact.name),
      trying: () => launchers.trying,
      criu: async () => launchers.usableCriu(),
      batches,
      jobs,
      nodes,
      cache,
      attempts: this.#attempts,
      shepherd,
      membership,
      load,
      place,
      onConnectionError: (error) => this.#connectionError(error),
    });
    this.#parts = parts;
    const { executor, takeLoop, rescuer, moving, frozen, images } = parts;
    // Adoption may take longer than a lease lasts.
    this.#timers.every(this.#beatMs, async () => this.#beat(membership, load));
    await moving.handOver.recover(shepherd.hello);
    await moving.children.away.recover();
    const outputKept = await adopt({
      ...{ shepherd, attempts: this.#attempts, cache, jobs, rescuer, node: name, nodeDir },
      ...{ executor, frozen, resumer: images.resumer },
    });
    moving.children.away.begin();
    executor.listen(outputKept);
    const reader = new OutputReader(nodeDir, cache, this.#attempts);
    await serveRequests(
      this.#subscriber,
      this.#redis,
      name,
      {
        read: async (request) => reader.answer(request),
        usage: async () => {
          const table = readProcessTable();
          const own = readUsage(this.#attempts, table, (attempt) => earlierOf(nodeDir, attempt));
          return moving.children.withGuests(own, table);
        },
        check: async ({ paths }) => checkPaths(paths),
        ...moving.answers,
      },
      (error) => this.#failed(error),
    );
    await listenForWakeUps(this.#subscriber, name, parts, (error) => this.#failed(error));
    shepherd.onClose((error) => this.#shepherdGone(error));
    await membership.bind(shepherd);
    await moving.handOver.begin();
    takeLoop.start();
    await beginRounds(this.#timers, parts, { attempts: this.#attempts, node: name });
    this.#timers.every(homeLookMs, async () => this.#leaveWithoutHome());
    takeLoop.wake();
    this.#tellOf(launchers, parts).catch((error: unknown) => this.#failed(error));
    log.info({ node: name, slots: maxSlots, pid: process.pid }, 'node is up');
  }

  /** Others, and jobs that wait for it, learn at once what came of trying criu out. */
  async #tellOf(launchers: NodeLaunchers, parts: NodeParts): Promise<void> {
    if (launchers.trying.length === 0) return;
    await launchers.criu();
    if (this.#parts !== parts) return;
    await parts.membership.describe();
    parts.takeLoop.wake();
  }

  /**
   * Leaves. Jobs that have not started go back to the queue; running ones are ended and queued again, uncharged, or
   * left to the shepherd for the next worker to adopt. Whoever asks again waits for the first to be done.
   */
  async stop(options: { readonly keepJobs?: boolean } = {}): Promise<void> {
    this.#leaving ??= this.#leave(options);
    return this.#leaving;
  }

  async #leave(options: { readonly keepJobs?: boolean }): Promise<void> {
    const parts = this.#parts;
    this.#leavingParts = parts;
    this.#parts = undefined;
    this.#timers.stop();
    if (parts !== undefined) {
      // Jobs may take longer to end than a lease lasts.
      this.#timers.every(this.#beatMs, async () => parts.membership.beat());
      parts.quarantine.close();
      await parts.takeLoop.stop();
      await parts.moving.children.leave();
      // Not waited for: the queue may be away.
      parts.moving.balancer.close().catch((error: unknown) => this.#failed(error));
      const { arrivals, departures } = parts.moving.handOver;
      // First, as what is still to come has to go again.
      await arrivals.close();
      if (options.keepJobs !== true) await giveAwayAndLeave(parts, this.#attempts, this.#options);
      await departures.close();
      if (options.keepJobs !== true) await parts.executor.giveUp();
      await parts.moving.children.away.close();
      await parts.pool.close();
      if (options.keepJobs === true) parts.shepherd.close();
      else await parts.shepherd.quit({ force: true });
      this.#timers.stop();
      await parts.membership.leave(options.keepJobs === true);
      await parts.delivery.close();
      this.#options.log.info({ node: this.#options.name }, 'node has left');
    }
    this.#redis.disconnect();
    this.#subscriber.disconnect();
    this.#stopped?.();
  }

  /** Begins no more moves of jobs away from a node that is told to leave. @returns whether there were any to begin */
  hurry(): boolean {
    return this.#leavingParts?.moving.evacuation.hurry() ?? false;
  }

  async #beat(membership: Membership, load: NodeLoad): Promise<void> {
    // A subscription that went silent would not be noticed otherwise.
    this.#subscriber.ping().catch(() => undefined);
    if (load.sample()) this.#parts?.takeLoop.wake();
    await membership.beat();
    await this.#leaveWhenIdle();
  }

  get #beatMs(): number {
    return Math.min(longestBeatMs, this.#options.leaseMs / 4);
  }

  /** What they and theirs do is no external load. */
  #ownProcesses(): number[] {
    return [this.#parts?.shepherd.pid, this.#serverPid].filter((pid) => pid !== undefined);
  }

  async #leaveWhenIdle(): Promise<void> {
    const { idleMs, log, name } = this.#options;
    if (this.#attempts.size > 0) this.#busyAt = performance.now();
    if (idleMs === undefined || performance.now() - this.#busyAt < idleMs) return;
    log.info({ node: name }, 'no job for as long as --idle-timeout says: leaving');
    await this.stop();
  }

  /** Somebody has removed the node's folder: nothing it does could be adopted or reported any more. */
  async #leaveWithoutHome(): Promise<void> {
    if (existsSync(this.#options.nodeDir)) return;
    this.#options.log.error({ folder: this.#options.nodeDir }, 'the folder of this node is gone: leaving');
    await this.#parts?.shepherd.quit({ force: true }).catch(() => undefined);
    const { address } = this.#options;
    // An embedded server whose socket is gone too cannot be found by anybody to end it.
    if ('socket' in address && !existsSync(address.socket)) this.#redis.shutdown('NOSAVE').catch(() => undefined);
    this.#abandon();
  }

  /** Without its shepherd the node cannot run anything; a new worker starts a new one and finds out what was lost. */
  #shepherdGone(error: Error | undefined): void {
    if (this.#parts === undefined) return;
    if (isOmxError(error) && error.code === 'SHEPHERD_REPLACED') {
      this.#options.log.error(
        { node: this.#options.name },
        'another worker has taken over this node: leaving it to that one',
      );
      this.#abandon();
      return;
    }
    this.#options.log.error({ err: error }, 'the shepherd is gone: starting again');
    this.#restart().catch((failure: unknown) => {
      this.#failed(failure);
      this.#gaveUp?.(errorOf(failure));
    });
  }

  /** It holds the jobs, and nobody else can end them. Killed, it takes them along, and they are run again. */
  #shepherdDeaf(): void {
    const pid = this.#parts?.shepherd.pid;
    if (pid === undefined) return;
    this.#options.log.error({ pid }, 'the shepherd does not answer: ending it');
    process.kill(pid, 'SIGKILL');
  }

  /** Somebody else is this node now; nothing of it may be touched any more. */
  #abandon(): void {
    const parts = this.#parts;
    this.#parts = undefined;
    this.#timers.stop();
    parts?.quarantine.close();
    parts?.shepherd.close();
    // Not waited for: the queue may be gone with the rest.
    for (const closing of [
      parts?.moving.handOver.abandon(),
      parts?.moving.children.close(),
      parts?.takeLoop.stop(),
      parts?.delivery.close(),
      parts?.pool.close(),
    ])
      closing?.catch(() => undefined);
    this.#redis.disconnect();
    this.#subscriber.disconnect();
    this.#stopped?.();
  }

  async #restart(): Promise<void> {
    const parts = this.#parts;
    if (parts === undefined) return;
    this.#parts = undefined;
    this.#timers.stop();
    parts.quarantine.close();
    await parts.moving.handOver.abandon();
    await parts.takeLoop.stop();
    await parts.moving.children.close();
    await parts.delivery.close();
    await parts.pool.close();
    this.#subscriber.removeAllListeners('message');
    this.#subscriber.removeAllListeners('messageBuffer');
    this.#subscriber.removeAllListeners('ready');
    for (const attempt of this.#attempts.all()) this.#attempts.remove(attempt);
    await this.start();
  }

  #failed(error: unknown): void {
    this.#options.log.error({ err: error }, 'a task of the worker failed');
  }

  #connectionError(error: Error): void {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED' || code === 'ENOENT') this.#parts?.membership.queueIsDown();
    const reason = error.message === '' ? String(code) : error.message;
    const now = performance.now();
    // Every connection says so each time it tries again.
    if (reason === this.#disturbance.reason && now - this.#disturbance.at < sameReasonMs) return;
    this.#disturbance = { reason, at: now };
    this.#options.log.warn({ reason }, 'the connection to the queue is disturbed');
  }
}
