import { setTimeout as delay } from 'node:timers/promises';

import { ExitCode, leftReason, type NodeInfo, type NodeState, OmxError } from '@omx/core';
import { endShepherd, type Shepherd } from '@omx/launch';
import { EventLog, type NodeEventType, type NodeStore, type NodeWish, queueClock, type Redis } from '@omx/queue';
import type { Logger } from 'pino';

import { describeNode, type NodeConstants, type NodeStatus } from './heartbeat.ts';
import type { Lease } from './lease.ts';

/** A rescuer needs the name while it frees what an earlier worker left. */
const rescuerMs = 40_000;
/** A shepherd that has not answered for so long hangs. */
const deafMs = 20_000;
const clockEveryMs = 60_000;

interface MembershipOptions {
  readonly redis: Redis;
  readonly nodes: NodeStore;
  readonly lease: Lease;
  readonly constants: Omit<NodeConstants, 'shepherdPid'>;
  readonly status: () => Omit<NodeStatus, 'state' | 'reason'>;
  readonly log: Logger;
  /** The lease had run out and is held again: jobs that others took meanwhile must not go on here. */
  readonly onBack: () => Promise<void>;
  /** Somebody else is this node now. */
  readonly onReplaced: () => void;
  /** The shepherd does not answer. */
  readonly onDeaf: () => void;
}

/** This node among the others: its name, its lease, what it says of itself, and whether it takes jobs. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #events: EventLog;
  #shepherd: Shepherd | undefined;
  #drained: NodeWish | undefined;
  #leaving = false;
  #quarantine: string | undefined;
  #said: NodeState = 'up';
  #clockAt = Number.NEGATIVE_INFINITY;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#events = new EventLog(options.redis);
  }

  /**
   * Takes the name.
   * @throws OmxError where a living node has it
   */
  async join(): Promise<void> {
    const { nodes, constants, lease } = this.#options;
    await this.#syncClock();
    const before = (await nodes.list()).find((node) => node.name === constants.name);
    if (before !== undefined && before.state === 'down' && before.identity !== constants.identity)
      await this.#succeed(before);
    for (const deadline = performance.now() + rescuerMs; ; await delay(200)) {
      const { holder } = await lease.renew();
      if (holder === 'us') break;
      if (holder === 'another' || performance.now() > deadline) throw nameTaken(constants.name, before);
    }
    lease.doubt();
    await this.#heed(await nodes.wanted(constants.name));
  }

  /** From now on the shepherd hears how long the lease lasts. What must not run has been ended before. */
  async bind(shepherd: Shepherd): Promise<void> {
    this.#shepherd = shepherd;
    await this.beat();
    await this.#say('node-up', `version ${this.#options.constants.version}`);
  }

  get state(): NodeState {
    if (this.#quarantine !== undefined) return 'quarantined';
    if (this.#drained === undefined && !this.#leaving) return 'up';
    return this.#options.status().running > 0 ? 'draining' : 'drained';
  }

  /** Whether the node may take jobs now. */
  get takesJobs(): boolean {
    return this.state === 'up' && this.#options.constants.role !== 'home' && this.#options.lease.holds;
  }

  /** Whether the node may run its jobs. */
  get holdsLease(): boolean {
    return this.#options.lease.holds;
  }

  /** Whether the node runs its jobs now: also without a lease where nobody else takes them for that (`--on-lost finish`). */
  get mayRunJobs(): boolean {
    return this.holdsLease || this.#options.lease.onLost === 'finish';
  }

  /** For how many milliseconds it holds the lease for sure. */
  get leaseLeftMs(): number {
    return this.#options.lease.leftMs;
  }

  /** What somebody wants who has drained the node. */
  get drained(): NodeWish | undefined {
    return this.#drained;
  }

  /** The node gives its jobs away before it leaves, and nothing more is to be sent to it. */
  async prepareToLeave(): Promise<void> {
    this.#leaving = true;
    await this.describe();
  }

  /** Takes no more jobs until it is trusted again: by itself (`trust`) or by `omx undrain`. */
  async distrust(reason: string): Promise<void> {
    this.#quarantine = reason;
    this.#options.log.error({ reason }, 'this node takes no more jobs');
    await this.#say('node-quarantined', reason);
    await this.describe();
  }

  async trust(why: string): Promise<void> {
    if (this.#quarantine === undefined) return;
    this.#quarantine = undefined;
    await this.#say('node-trusted', why);
    await this.describe();
  }

  /** Renews the lease and tells the others how the node is. */
  async beat(): Promise<void> {
    const { lease, log, onBack, onReplaced } = this.#options;
    const { holder, lost } = await lease.renew();
    if (holder === 'another') {
      log.error({}, 'another node has taken this name: leaving');
      onReplaced();
      return;
    }
    // Others free this node's jobs at this moment. They will be done soon.
    if (holder === 'rescuer') return;
    if (lost && this.#shepherd !== undefined) {
      log.info({}, 'the lease is held: looking which jobs are still ours');
      try {
        await onBack();
      } catch (error) {
        lease.doubt();
        throw error;
      }
    }
    this.#tellShepherd();
    if (performance.now() - this.#clockAt > clockEveryMs) await this.#syncClock();
    await this.describe();
    if (lost && this.#shepherd?.suspended === true) await this.#say('node-back', 'it was out of touch');
  }

  /** Nobody listens where the queue is: no other node can take this one's jobs, so they go on. */
  queueIsDown(): void {
    if (this.#options.lease.queueIsDown()) this.#tellShepherd();
  }

  /** Tells the others how the node is, and hears with the same question what somebody wants of it. */
  async describe(): Promise<void> {
    const { nodes } = this.#options;
    const told = this.#info();
    await this.#heed(await nodes.describe(told));
    if (this.state !== told.state || this.#reason !== told.reason) await nodes.describe(this.#info());
    await this.#sayState();
  }

  /** @param keepJobs they run on for the next worker of this node, and so the name stays taken until the lease ends */
  async leave(keepJobs: boolean): Promise<void> {
    const { nodes, constants } = this.#options;
    const reason = keepJobs ? 'its worker has left and will be back' : leftReason;
    await nodes.describe({ ...this.#info(), state: 'down', reason, running: 0 });
    if (!keepJobs) await nodes.giveUpLease(constants.name, constants.identity);
    await this.#say('node-left', keepJobs ? 'its jobs run on' : '');
  }

  #info(): NodeInfo {
    const { constants, status } = this.#options;
    return describeNode(
      { ...constants, shepherdPid: this.#shepherd?.pid ?? 0 },
      { ...status(), state: this.state, reason: this.#reason },
    );
  }

  /** Why it is in its state. */
  get #reason(): string {
    return this.#quarantine ?? this.#drained?.reason ?? (this.#leaving ? 'it leaves' : '');
  }

  #tellShepherd(): void {
    const { lease, onDeaf } = this.#options;
    const shepherd = this.#shepherd;
    if (shepherd === undefined) return;
    shepherd.lease(lease.until, lease.onLost);
    if (shepherd.silentMs <= deafMs) return;
    // Where this process itself stood still, the answer may lie unread in the socket.
    setImmediate(() => {
      if (shepherd.silentMs > deafMs) onDeaf();
    });
  }

  async #heed(wish: NodeWish | undefined): Promise<void> {
    const { nodes, constants } = this.#options;
    const wasDrained = this.#drained !== undefined;
    this.#drained = wish?.state === 'drained' ? wish : undefined;
    if (wish !== undefined && wish.state !== 'drained') await nodes.fulfilled(constants.name, wish);
    if (wish?.state === 'trusted') await this.trust('somebody said so');
    if (wasDrained && this.#drained === undefined) await this.#say('node-undrained');
  }

  async #sayState(): Promise<void> {
    const { state } = this;
    if (state === this.#said) return;
    this.#said = state;
    if (state === 'draining' || state === 'drained') await this.#say(`node-${state}`, this.#reason);
  }

  async #say(type: NodeEventType, text = ''): Promise<void> {
    await this.#events.append(type, this.#options.constants.name, text);
  }

  async #syncClock(): Promise<void> {
    const before = queueClock.offsetMs;
    await queueClock.sync(this.#options.redis);
    this.#clockAt = performance.now();
    const { offsetMs } = queueClock;
    if (offsetMs === before) return;
    const text = `this machine's clock is ${Math.abs(offsetMs) / 1000} s ${offsetMs > 0 ? 'ahead of' : 'behind'} the queue's`;
    this.#options.log.warn(
      { offsetMs },
      offsetMs === 0 ? 'the clocks agree again' : `${text}: times are corrected by it`,
    );
  }

  /** Another machine, or another folder, was this node before and is down. */
  async #succeed(before: NodeInfo): Promise<void> {
    const { constants, nodes } = this.#options;
    if (before.place === constants.place) await endShepherd(before.shepherdPid);
    else if (
      before.onLost === 'finish' &&
      before.reason !== leftReason &&
      (await nodes.wanted(before.name))?.state !== 'gone'
    ) {
      throw new OmxError(
        `cannot join as '${constants.name}': the node that had the name is lost, and its jobs may still run there`,
        {
          code: 'NODE_NAME_LOST',
          exitCode: ExitCode.usage,
          hint: `choose another with --name; or, if it is gone for good, omx nodes --forget ${constants.name}`,
        },
      );
    }
  }
}

function nameTaken(name: string, holder: NodeInfo | undefined): OmxError {
  const who = holder === undefined ? 'another node' : `the node with process id ${holder.pid}, state ${holder.state},`;
  return new OmxError(`cannot join as '${name}': ${who} has that name and is alive`, {
    code: 'NODE_NAME_TAKEN',
    exitCode: ExitCode.usage,
    hint: 'choose another with --name',
  });
}
