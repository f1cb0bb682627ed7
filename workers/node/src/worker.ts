import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { ExitCode, isOmxError, type NodeRole, type NodeState, OmxError } from '@omx/core';
import { detectLaunchers, readCpuFacts, Shepherd } from '@omx/launch';
import {
  BatchStore,
  describeAddress,
  globalKeys,
  JobStore,
  NodeStore,
  openConnection,
  parseWake,
  type QueueAddress,
  type Redis,
  requireSafeServer,
  serveRequests,
} from '@omx/queue';
import { Delivery } from '@omx/queue/delivery';
import { ResultsPool } from '@omx/worker-results';
import type { Logger } from 'pino';

import { adopt } from './adoption.ts';
import { Attempts } from './attempt.ts';
import { BatchCache } from './batch-cache.ts';
import { Dependencies } from './dependencies.ts';
import { Executor } from './executor.ts';
import { FollowUps } from './follow-ups.ts';
import { Heartbeat } from './heartbeat.ts';
import { OutputReader } from './reader.ts';
import { Rescuer } from './rescue.ts';
import { TakeLoop } from './take-loop.ts';
import { Wishes } from './wishes.ts';

export interface WorkerOptions {
  readonly address: QueueAddress;
  readonly name: string;
  /** Folder for this node's journal, outputs and sockets. */
  readonly nodeDir: string;
  readonly shepherdSocket: string;
  /** @defaultValue 'auto': one a usable CPU */
  readonly slots: number | 'auto';
  readonly role: NodeRole;
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  readonly log: Logger;
}

const beatMs = 2000;
const sweepMs = 2000;
const homeLookMs = 5000;

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
  readonly #timers: NodeJS.Timeout[] = [];
  #parts: Parts | undefined;
  #state: NodeState = 'up';
  #stopped: (() => void) | undefined;
  /** Resolves when the worker has stopped, by request or because it must not go on. */
  readonly stopped = new Promise<void>((resolve) => {
    this.#stopped = resolve;
  });

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#redis = openConnection(options.address);
    this.#subscriber = openConnection(options.address);
    for (const connection of [this.#redis, this.#subscriber])
      connection.on('error', (error: Error) => this.#connectionError(error));
  }

  /** Resolves when the node takes jobs. */
  async start(): Promise<void> {
    const { name, nodeDir, log } = this.#options;
    mkdirSync(nodeDir, { recursive: true, mode: 0o700 });
    mkdirSync(dirname(this.#options.shepherdSocket), { recursive: true, mode: 0o700 });
    await this.#redis.ping();
    await requireSafeServer(this.#redis, describeAddress(this.#options.address));
    const facts = await detectLaunchers();
    const batches = new BatchStore(this.#redis);
    const jobs = new JobStore(batches);
    const nodes = new NodeStore(this.#redis);
    const cache = new BatchCache(batches, name, facts);
    const slots = this.#options.slots === 'auto' ? Math.max(1, Math.floor(readCpuFacts().usable)) : this.#options.slots;
    const identity = nodeIdentity(nodeDir);
    const heartbeat = new Heartbeat({
      nodes,
      name,
      identity,
      role: this.#options.role,
      labels: this.#options.labels,
      facts,
      version: this.#options.version,
      status: () => ({ state: this.#state, slots, running: this.#attempts.running }),
    });
    await this.#takeName(heartbeat, identity);
    const shepherd = await Shepherd.open({ stateDir: nodeDir, socketPath: this.#options.shepherdSocket });
    const delivery = new Delivery(this.#redis, this.#options.address, (error) => this.#connectionError(error));
    const followUps = new FollowUps({
      batches,
      jobs,
      cache,
      delivery,
      dependencies: new Dependencies(batches, jobs),
      log,
    });
    const pool = new ResultsPool();
    const executor = new Executor({
      batches,
      jobs,
      cache,
      shepherd,
      attempts: this.#attempts,
      pool,
      nodeDir,
      node: name,
      slots,
      followUps,
      log,
    });
    const takeLoop = new TakeLoop({
      redis: this.#redis,
      name,
      labels: this.#options.labels,
      slots,
      attempts: this.#attempts,
      delivery,
      batches,
      jobs,
      cache,
      executor,
      log,
    });
    const rescuer = new Rescuer(batches, jobs, nodes);
    const wishes = new Wishes({ jobs, cache, attempts: this.#attempts, executor, log });
    this.#parts = { shepherd, delivery, executor, takeLoop, heartbeat, nodes, identity, pool, wishes, followUps };
    await adopt({ shepherd, attempts: this.#attempts, cache, jobs, rescuer, node: name });
    executor.listen();
    const reader = new OutputReader(nodeDir, cache, this.#attempts);
    await serveRequests(
      this.#subscriber,
      this.#redis,
      name,
      async (request) => reader.answer(request),
      (error) => this.#failed(error),
    );
    await this.#listen({ wishes, takeLoop, followUps, cache, executor });
    shepherd.onClose((error) => this.#shepherdGone(error));
    if (this.#options.role !== 'home') takeLoop.start();
    this.#every(beatMs, async () => this.#beat(heartbeat, identity));
    this.#every(sweepMs, async () => this.#sweep({ followUps, rescuer, wishes, executor, cache }));
    this.#every(homeLookMs, async () => this.#leaveWithoutHome());
    await followUps.sweep();
    takeLoop.wake();
    log.info({ node: name, slots, pid: process.pid }, 'node is up');
  }

  /**
   * Leaves. Jobs that have not started go back to the queue; running ones are ended and queued again, uncharged, or
   * left to the shepherd for the next worker to adopt.
   */
  async stop(options: { readonly keepJobs?: boolean } = {}): Promise<void> {
    const parts = this.#parts;
    this.#parts = undefined;
    for (const timer of this.#timers) clearInterval(timer);
    if (parts !== undefined) {
      this.#state = 'down';
      await parts.takeLoop.stop();
      if (options.keepJobs !== true) await parts.executor.giveUp();
      await parts.pool.close();
      if (options.keepJobs === true) parts.shepherd.close();
      else await parts.shepherd.quit({ force: true });
      await parts.nodes.describe({ ...parts.heartbeat.describe(), running: 0 });
      await parts.nodes.giveUpLease(this.#options.name, parts.identity);
      await parts.delivery.close();
      this.#options.log.info({ node: this.#options.name }, 'node has left');
    }
    this.#redis.disconnect();
    this.#subscriber.disconnect();
    this.#stopped?.();
  }

  async #takeName(heartbeat: Heartbeat, identity: string): Promise<void> {
    const holder = await heartbeat.beat();
    if (holder === identity) return;
    throw new OmxError(`cannot join as '${this.#options.name}': another node has that name and is alive`, {
      code: 'NODE_NAME_TAKEN',
      exitCode: ExitCode.usage,
      hint: 'choose another with --name',
    });
  }

  async #listen(parts: Listeners): Promise<void> {
    const { wishes, takeLoop, followUps, cache, executor } = parts;
    this.#subscriber.on('message', (channel: string, text: string) => {
      if (channel !== globalKeys.wake) return;
      const { reason, batch, graceMs } = parseWake(text);
      const work = {
        chunks: async () => {
          await followUps.dispatch(batch);
          takeLoop.wake();
        },
        change: async () => {
          if ((await cache.reloadIfKnown(batch))?.batch.untouched === 'cancelled') executor.cancelReady(batch);
        },
        wish: async () => wishes.check(batch, graceMs),
      }[reason];
      work?.().catch((error: unknown) => this.#failed(error));
    });
    this.#subscriber.on('ready', () => takeLoop.wake());
    await this.#subscriber.subscribe(globalKeys.wake);
  }

  async #beat(heartbeat: Heartbeat, identity: string): Promise<void> {
    const holder = await heartbeat.beat();
    if (holder === identity) return;
    this.#options.log.error({ node: this.#options.name }, 'another node has taken this name: leaving');
    await this.stop();
  }

  async #sweep(parts: {
    followUps: FollowUps;
    rescuer: Rescuer;
    wishes: Wishes;
    executor: Executor;
    cache: BatchCache;
  }): Promise<void> {
    await parts.followUps.sweep();
    await parts.rescuer.rescueDeadNodes(this.#options.name);
    await parts.wishes.checkAll();
    parts.executor.enforceMemory();
    const inUse = new Set([...this.#attempts.all()].map((attempt) => attempt.batch));
    parts.executor.forgetAllBut(await parts.cache.forgetIdle(inUse));
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
      this.#stopped?.();
    });
  }

  /** Somebody else is this node now; nothing of it may be touched any more. */
  #abandon(): void {
    const parts = this.#parts;
    this.#parts = undefined;
    for (const timer of this.#timers) clearInterval(timer);
    parts?.shepherd.close();
    // Not waited for: the queue may be gone with the rest.
    for (const closing of [parts?.takeLoop.stop(), parts?.delivery.close(), parts?.pool.close()])
      closing?.catch(() => undefined);
    this.#redis.disconnect();
    this.#subscriber.disconnect();
    this.#stopped?.();
  }

  async #restart(): Promise<void> {
    const parts = this.#parts;
    if (parts === undefined) return;
    this.#parts = undefined;
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    await parts.takeLoop.stop();
    await parts.delivery.close();
    await parts.pool.close();
    this.#subscriber.removeAllListeners('message');
    this.#subscriber.removeAllListeners('ready');
    for (const attempt of this.#attempts.all()) this.#attempts.remove(attempt);
    await this.start();
  }

  #every(ms: number, work: () => Promise<void>): void {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      work()
        .catch((error: unknown) => this.#failed(error))
        .finally(() => {
          busy = false;
        });
    }, ms);
    this.#timers.push(timer);
  }

  #failed(error: unknown): void {
    this.#options.log.error({ err: error }, 'a task of the worker failed');
  }

  #connectionError(error: Error): void {
    this.#options.log.warn(
      { reason: error.message === '' ? String((error as NodeJS.ErrnoException).code) : error.message },
      'the connection to the queue is disturbed',
    );
  }
}

/** Those whom a message of the wake channel may concern. */
interface Listeners {
  readonly wishes: Wishes;
  readonly takeLoop: TakeLoop;
  readonly followUps: FollowUps;
  readonly cache: BatchCache;
  readonly executor: Executor;
}

interface Parts {
  readonly shepherd: Shepherd;
  readonly delivery: Delivery;
  readonly executor: Executor;
  readonly takeLoop: TakeLoop;
  readonly heartbeat: Heartbeat;
  readonly nodes: NodeStore;
  readonly identity: string;
  readonly pool: ResultsPool;
  readonly wishes: Wishes;
  readonly followUps: FollowUps;
}

/** A random name kept in the node's folder: a worker started again there is the same node. */
function nodeIdentity(nodeDir: string): string {
  const path = join(nodeDir, 'identity');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    const identity = randomUUID();
    writeFileSync(path, `${identity}\n`, { mode: 0o600 });
    return identity;
  }
}
