import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import {
  checkDigest,
  type ChildCopy,
  type CriuProgram,
  folderFiles,
  type ProcessTable,
  type Receiving,
  receiveInto,
  thawChild,
} from '@omx/launch';
import type {
  AttemptUsage,
  ChildEnd,
  ChildName,
  ChildOrder,
  ChildPiece,
  ChildState,
  CopyReady,
  Done,
  JobStore,
  MoveAnswers,
  NodeAsker,
  ReadChildRequest,
  ReceiveChildRequest,
  Receiver,
  Refusal,
  SignalChildRequest,
  ThawChildRequest,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../../attempt.ts';
import type { BatchCache } from '../../batch-cache.ts';
import type { JobDemand } from '../../capacity.ts';
import type { Executor } from '../../executor.ts';
import { attemptOnTheMove } from '../on-the-move.ts';
import { cpuOf, descendants, rssOf } from '../../usage-reader.ts';
import { refusalOf } from '../refusals.ts';
import { misfit } from '../traits.ts';

export interface GuestsOptions {
  readonly nodeDir: string;
  readonly node: string;
  readonly address: string;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly jobs: Pick<JobStore, 'read'>;
  readonly asker: Pick<NodeAsker, 'askJson'>;
  readonly executor: Pick<Executor, 'onRoom'>;
  readonly criu: () => Promise<CriuProgram>;
  /** Why the node takes nothing that needs so much now. */
  readonly refusal: (demand: JobDemand, rss: number) => Refusal | undefined;
  readonly log: Logger;
}

/** A child of a job elsewhere, on its way here, running here, or ended and not yet fetched. */
interface Guest {
  readonly child: string;
  readonly home: string;
  readonly dir: string;
  /** Holds the slot. */
  readonly attempt: Attempt;
  readonly reception: Receiving;
  state: 'arriving' | ChildState['state'];
  copy?: ChildCopy;
  end?: ChildEnd;
  /** Signals that came before it ran. */
  readonly early: number[];
  /** When its home last had an order for it, by `performance.now()`. */
  heardAt: number;
}

/** Longer than it takes to freeze and send a child. */
const receiveMs = 60_000;
const answerMs = 2000;
/** Who has not heard from a home for so long forgets what it had for it; its copies are dead long before. */
const forgetMs = 60_000;
/** A copy that waits for its first word has one soon, or never. */
const waitingMs = 15_000;
const pieceBytes = 256 << 10;

/**
 * Copies of other nodes' children. Each runs for as long as its home lets it, and dies with this worker. What they write is
 * kept here until their home fetches it.
 */
export class Guests {
  readonly #options: GuestsOptions;
  readonly #top: string;
  readonly #all = new Map<string, Guest>();
  /** Homes that are being asked just now, and whether to ask again at once. */
  readonly #asking = new Map<string, boolean>();
  #closed = false;

  constructor(options: GuestsOptions) {
    this.#options = options;
    this.#top = join(options.nodeDir, 'guests');
    // Of an earlier worker, with which the copies died.
    rmSync(this.#top, { recursive: true, force: true });
  }

  get answers(): {
    readonly [Type in Extract<keyof MoveAnswers, `${string}-child`>]: (
      request: MoveAnswers[Type]['request'],
    ) => Promise<MoveAnswers[Type]['answer']>;
  } {
    return {
      'receive-child': async (request) => this.#receive(request),
      'thaw-child': async (request) => this.#thaw(request),
      'look-child': async (request) => this.#look(request),
      'signal-child': async (request) => this.#signal(request),
      'read-child': async (request) => this.#read(request),
      'drop-child': async ({ child }) => this.#drop(this.#all.get(child)),
    };
  }

  /** What each copy that runs here uses, under the name of its job's attempt. */
  usage(table: ProcessTable): AttemptUsage[] {
    return [...this.#all.values()].flatMap(({ state, copy, attempt }) => {
      if (state !== 'running' || copy === undefined) return [];
      const own = descendants(copy.pid, table);
      const { batch, ordinal, number } = attempt;
      return [{ batch, ordinal, attempt: number, cpu: cpuOf(own), rss: rssOf(own, table) }];
    });
  }

  /** Asks all homes what is to become of their children, and does not wait for the answers. To be called about once a second. */
  async beat(): Promise<void> {
    const now = performance.now();
    for (const guest of this.#all.values()) {
      const longestMs = guest.state === 'waiting' ? waitingMs : forgetMs;
      if (now - guest.heardAt > longestMs) await this.#drop(guest);
    }
    void this.#askAll();
  }

  /** Kills every copy and tells their homes, where they go on. */
  async sendHome(): Promise<void> {
    const all = [...this.#all.values()];
    await Promise.all(all.filter(({ state }) => state !== 'ended').map(async (guest) => this.#kill(guest)));
    // The queue may be away; then their homes find out by themselves.
    await Promise.race([this.#askAll(), delay(answerMs, undefined, { ref: false })]);
  }

  /** No more come, and none stays. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.sendHome();
    for (const guest of this.#all.values()) await this.#drop(guest);
  }

  async #receive(request: ReceiveChildRequest): Promise<Receiver | Refusal> {
    const { cache, jobs, refusal, criu, address, attempts, node } = this.#options;
    const { child, from, traits, batch, ordinal } = request;
    if (this.#closed) return { refused: `node ${node} is leaving` };
    const runtime = await cache.get(batch);
    if (runtime === undefined) return { refused: `there is no batch ${batch}` };
    const demand = { slots: traits.slots };
    try {
      const no = refusal(demand, traits.rss) ?? (await misfit(await criu(), traits));
      if (no !== undefined) return no;
      const [snapshot] = await jobs.read(runtime.batch, [ordinal]);
      if (snapshot?.job.attempt !== request.attempt) return { refused: `${child} is over` };
      // Others may have taken the room meanwhile.
      const late = refusal(demand, traits.rss);
      if (late !== undefined) return late;
      // It may be asked for again, as the first answer came too late.
      if (this.#all.has(child) || attempts.get(child) !== undefined) {
        await this.#drop(this.#all.get(child));
        return { refused: `${child} is on its way to node ${node} already` };
      }
      // The job's own limits are its home's matter.
      const { memBytes: _mem, oversubscribe: _shares, ...rest } = attemptOnTheMove(runtime, snapshot, 'arriving');
      const attempt: Attempt = { ...rest, key: child, slots: traits.slots };
      attempts.add(attempt);
      return await this.#listen({ child, home: from, attempt, address });
    } catch (error) {
      return refusalOf(error);
    }
  }

  async #listen(options: {
    readonly child: string;
    readonly home: string;
    readonly attempt: Attempt;
    readonly address: string;
  }): Promise<Receiver> {
    const { child, home, attempt, address } = options;
    const dir = join(this.#top, createHash('sha256').update(child).digest('hex').slice(0, 16));
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const reception = await receiveInto({ host: address, into: join(dir, 'in'), timeoutMs: receiveMs });
      const guest: Guest = {
        ...{ child, home, dir, attempt, reception },
        ...{ state: 'arriving', early: [], heardAt: performance.now() },
      };
      this.#all.set(child, guest);
      reception.done.catch(async () => this.#drop(guest));
      return { host: address, port: reception.port, token: reception.token };
    } catch (error) {
      this.#options.attempts.remove(attempt);
      throw error;
    }
  }

  async #thaw({ child, digest }: ThawChildRequest): Promise<CopyReady | Refusal> {
    const guest = this.#all.get(child);
    if (guest === undefined) return { refused: 'nothing of it has arrived' };
    try {
      await guest.reception.done;
      const image = join(guest.dir, 'in', 'image');
      checkDigest(image, digest);
      const copy = await thawChild({
        ...{ criu: await this.#options.criu(), image },
        ...{ folder: join(guest.dir, 'folder'), log: join(guest.dir, 'log') },
      });
      // Dropped meanwhile.
      if (this.#all.get(child) !== guest) {
        await copy.kill();
        return { refused: 'it was called back' };
      }
      rmSync(join(guest.dir, 'in'), { recursive: true, force: true });
      Object.assign(guest, { copy, state: 'waiting', heardAt: performance.now() });
      copy.ended
        .then(async (end) => this.#ended(guest, end))
        .catch((error: unknown) => this.#options.log.error({ err: error, child }, 'the end of a child was not told'));
      return { ready: true };
    } catch (error) {
      await this.#drop(guest);
      return refusalOf(error);
    }
  }

  async #look({ child }: ChildName): Promise<Done> {
    const guest = this.#all.get(child);
    if (guest !== undefined) void this.#ask(guest.home);
    return { done: true };
  }

  async #signal({ child, signals }: SignalChildRequest): Promise<Done> {
    const guest = this.#all.get(child);
    if (guest?.state === 'running') signals.forEach((number) => guest.copy?.signal(number));
    else guest?.early.push(...signals);
    return { done: true };
  }

  async #read({ child, stream, offset }: ReadChildRequest): Promise<ChildPiece | Refusal> {
    const guest = this.#all.get(child);
    if (guest?.state !== 'ended') return { refused: 'nothing of it is here' };
    const fd = openSync(join(guest.dir, 'folder', folderFiles[stream]), 'r');
    try {
      const buffer = Buffer.alloc(pieceBytes);
      const length = readSync(fd, buffer, 0, pieceBytes, offset);
      return { base64: buffer.toString('base64', 0, length), isLast: length < pieceBytes };
    } finally {
      closeSync(fd);
    }
  }

  async #drop(guest: Guest | undefined): Promise<Done> {
    if (guest === undefined || this.#all.get(guest.child) !== guest) return { done: true };
    this.#all.delete(guest.child);
    this.#freeSlot(guest);
    await guest.reception.stop();
    await guest.copy?.kill();
    rmSync(guest.dir, { recursive: true, force: true });
    return { done: true };
  }

  async #kill(guest: Guest): Promise<void> {
    guest.state = 'lost';
    await guest.copy?.kill();
    this.#freeSlot(guest);
  }

  async #ended(guest: Guest, end: ChildEnd | undefined): Promise<void> {
    this.#freeSlot(guest);
    if (guest.state !== 'lost' && end !== undefined) Object.assign(guest, { state: 'ended', end });
    else guest.state = 'lost';
    if (this.#all.get(guest.child) === guest) await this.#ask(guest.home);
  }

  #freeSlot({ attempt }: Guest): void {
    const { attempts, executor } = this.#options;
    if (attempts.get(attempt.key) !== attempt) return;
    attempts.remove(attempt);
    executor.onRoom();
  }

  async #askAll(): Promise<void> {
    const homes = new Set([...this.#all.values()].map(({ home }) => home));
    await Promise.all([...homes].map(async (home) => this.#ask(home)));
  }

  /** Asks one home of all its children here. Once more at its end where somebody wanted that meanwhile. */
  async #ask(home: string): Promise<void> {
    if (this.#asking.has(home)) {
      this.#asking.set(home, true);
      return;
    }
    this.#asking.set(home, false);
    try {
      await this.#askOnce(home);
    } catch (error) {
      this.#options.log.debug({ err: error, home }, 'a home does not answer for its children');
    }
    const again = this.#asking.get(home) === true;
    this.#asking.delete(home);
    if (again) await this.#ask(home);
  }

  async #askOnce(home: string): Promise<void> {
    const { asker, node } = this.#options;
    const guests = [...this.#all.values()].filter((guest) => guest.home === home && guest.state !== 'arriving');
    if (guests.length === 0) return;
    const children = guests.map(({ child, state, end }) => ({ child, state, ...(end === undefined ? {} : { end }) }));
    // Before it is sent: so whatever time it takes is taken from the copy's, never added.
    const asked = process.hrtime.bigint();
    const request = { type: 'children', node, children: children as readonly ChildState[] } as const;
    const { orders } = await asker.askJson(home, request, answerMs);
    for (const [at, guest] of guests.entries()) {
      const order = orders[at];
      if (order === undefined) continue;
      guest.heardAt = performance.now();
      await this.#obey(guest, order, asked);
    }
  }

  async #obey(guest: Guest, order: ChildOrder, asked: bigint): Promise<void> {
    if (order.do === 'drop') await this.#drop(guest);
    if (order.do !== 'run' || guest.copy === undefined) return;
    guest.copy.runUntil(asked + BigInt(Math.floor(order.forMs)) * 1_000_000n);
    if (guest.state !== 'waiting') return;
    guest.state = 'running';
    try {
      await guest.copy.go();
      guest.early.splice(0).forEach((number) => guest.copy?.signal(number));
    } catch {
      await this.#kill(guest);
      this.#asking.set(guest.home, true);
    }
  }
}
