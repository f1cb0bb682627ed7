import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Deputy, type DeputyFate, folderFiles, processStanding } from '@omx/launch';
import {
  type ChildEnd,
  type ChildOrder,
  type ChildOrders,
  type ChildrenRequest,
  type ChildState,
  isRefusal,
  type NodeAsker,
  queueClock,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../../attempt.ts';
import { filesOf, jobFolder } from '../../job-folders.ts';
import type { AwayJournal, AwayNote } from './away-journal.ts';
import { noteElsewhere } from './elsewhere.ts';

interface AwayChildrenOptions {
  readonly nodeDir: string;
  readonly attempts: Attempts;
  readonly asker: Pick<NodeAsker, 'askJson'>;
  readonly journal: AwayJournal;
  /** For how many milliseconds this node may run its jobs for sure. */
  readonly leaseLeftMs: () => number;
  /** Whether its jobs run: nothing of them may be let go on else. */
  readonly mayRun: () => boolean;
  readonly log: Logger;
}

/** A child whose original is held here, and whose copy may run elsewhere. */
interface Away {
  note: AwayNote;
  readonly deputy: Deputy;
  /** Until then the copy may run, by `performance.now()`. */
  grantedUntil: number;
  /** When it left, by the queue's clock. */
  readonly since: number;
  /** The copy is to stand still, as its job is paused. */
  paused: boolean;
  /** Somebody is fetching the end of the copy, or the original goes on. */
  isSettled: boolean;
  /** The original is being ended as its copy ended. */
  isEnding: boolean;
}

/**
 * A copy gets so much time at once, and asks for more each second. Home lets the original go on when a copy's time and the
 * margin are over: for the kernel to end what the copy's keeper has killed.
 */
const grantMs = 5000;
const marginMs = 2000;
const answerMs = 5000;
/** What had been begun when a worker died is over by then. */
const settlingMs = 5000;
/** The same of an original that may as well go on. */
const stoppingMs = 1000;

/** The originals of this node's children that run elsewhere. */
export class AwayChildren {
  readonly #options: AwayChildrenOptions;
  readonly #all = new Map<string, Away>();
  /** Those that are on their way, with no say yet, and where they go. */
  readonly #leaving = new Map<string, string>();

  constructor(options: AwayChildrenOptions) {
    this.#options = options;
  }

  /** Whether the child with this original is away. */
  has(pid: number): boolean {
    return [...this.#all.values()].some(({ note }) => note.pid === pid);
  }

  /** Slots that a node has given since it last told of its slots. */
  unseenAt(node: string, lastSeen: number): number {
    const there = [...this.#all.values()].filter(({ note, since }) => note.guest === node && since >= lastSeen);
    return there.length + [...this.#leaving.values()].filter((guest) => guest === node).length;
  }

  /** A child is being sent to a node: whoever asks for it meanwhile waits. */
  expect(child: string, guest: string): void {
    this.#leaving.set(child, guest);
  }

  forget(child: string): void {
    this.#leaving.delete(child);
  }

  /**
   * Takes over a child whose original has just been stopped; its note is written. False where the original was killed
   * meanwhile. @throws NOT_HELD
   */
  async take(written: AwayNote): Promise<boolean> {
    const { journal, log } = this.#options;
    const note: AwayNote = { ...written, isHeld: true };
    const deputy = await this.#hold(note);
    if (deputy === undefined) {
      journal.remove(note.child);
      return false;
    }
    try {
      journal.write(note);
    } catch (error) {
      deputy.letGo();
      throw error;
    }
    // An earlier worker may have given as much just before it died.
    const grantedUntil = performance.now() + grantMs;
    const away: Away = {
      ...{ note, deputy, grantedUntil, since: queueClock.now() },
      ...{ paused: false, isSettled: false, isEnding: false },
    };
    this.#all.set(note.child, away);
    this.#leaving.delete(note.child);
    this.#count(note.key, 1);
    deputy.fate
      .then(async (fate) => this.#over(away, fate))
      .catch((error: unknown) => log.error({ err: error, child: note.child }, 'a child that was away is lost'));
    return true;
  }

  /** Takes up the originals that an earlier worker has left stopped. Before anything lets the node's jobs go on. */
  async recover(): Promise<void> {
    const { journal, log } = this.#options;
    await Promise.all(
      journal.takeUp().map(async (note) => {
        try {
          const state = await processStanding(note, note.isHeld === true ? settlingMs : stoppingMs);
          if (state === 'stopped') await this.take(note);
          else {
            journal.remove(note.child);
            // Its gate has let it go on; should it be about to stop all the same, nobody else would wake it.
            if (state === 'running' && note.isHeld !== true) process.kill(note.pid, 'SIGCONT');
          }
        } catch (error) {
          log.error({ err: error, child: note.child }, 'the original of a child that is away cannot be held');
        }
      }),
    );
  }

  /** Once the attempts are known. */
  begin(): void {
    for (const { note } of this.#all.values()) {
      const attempt = this.#options.attempts.get(note.key);
      if (attempt !== undefined) attempt.childrenAway = 0;
    }
    for (const { note } of this.#all.values()) this.#count(note.key, 1);
  }

  /** Answers `children`. */
  answer({ node, children }: ChildrenRequest): ChildOrders {
    return { orders: children.map((state) => this.#order(node, state)) };
  }

  /** Lets originals go on whose copies are dead for sure, and pauses copies with their jobs. To be called each second. */
  look(): void {
    const now = performance.now();
    for (const away of this.#all.values()) {
      if (!away.isSettled && now > away.grantedUntil + marginMs) this.#bringBack(away, 'nothing was heard of its copy');
      this.#followPause(away);
    }
  }

  /** The originals stay stopped, for the next worker, or for the end of their jobs. */
  async close(): Promise<void> {
    const all = [...this.#all.values()];
    this.#all.clear();
    for (const { deputy } of all) deputy.release();
    await Promise.all(all.map(async ({ deputy }) => deputy.fate));
  }

  async #hold(note: AwayNote): Promise<Deputy | undefined> {
    const { nodeDir, journal } = this.#options;
    const files = filesOf(note.key);
    if (files === undefined) return undefined;
    const { pid, startTicks, child } = note;
    return Deputy.hold({
      ...{ pid, startTicks, known: BigInt(`0x${note.known}`) },
      ...{ results: journal.resultsOf(child), folder: jobFolder(nodeDir, files) },
      onSent: (signals) => this.#forward(child, signals),
    });
  }

  #order(node: string, { child, state, end }: ChildState): ChildOrder {
    const away = this.#all.get(child);
    if (away === undefined) return { do: this.#leaving.has(child) && state === 'waiting' ? 'wait' : 'drop' };
    if (away.note.guest !== node) return { do: 'drop' };
    if (state === 'lost') {
      if (!away.isSettled) this.#bringBack(away, `its copy on ${node} was killed`);
      return { do: 'drop' };
    }
    if (away.isSettled) return { do: 'wait' };
    if (state === 'ended') {
      away.isSettled = true;
      void this.#collect(away, end);
      return { do: 'wait' };
    }
    const forMs = Math.min(grantMs, this.#options.leaseLeftMs());
    if (forMs <= 0) return { do: 'wait' };
    away.grantedUntil = Math.max(away.grantedUntil, performance.now() + forMs);
    return { do: 'run', forMs };
  }

  /** The copy has ended by itself: what it wrote becomes the job's, and the original ends in the same way. */
  async #collect(away: Away, end: ChildEnd | undefined): Promise<void> {
    const { nodeDir, log } = this.#options;
    const { child, key } = away.note;
    try {
      // Nobody but the kernel kills it there, for want of memory say; here it may get on.
      if (end === undefined || end.signal === killSignal) return this.#bringBack(away, 'its copy was killed');
      for (const stream of ['out', 'err'] as const) await this.#fetch(away.note, stream);
      const files = filesOf(key);
      if (files !== undefined) noteElsewhere(jobFolder(nodeDir, files), child, end.usage);
      away.isEnding = true;
      away.deputy.end(end);
    } catch (error) {
      log.warn({ err: error, child }, 'what the copy of a child wrote could not be fetched');
      this.#bringBack(away, 'what its copy wrote could not be fetched');
    }
  }

  async #fetch({ child, guest }: AwayNote, stream: 'out' | 'err'): Promise<void> {
    const path = join(this.#options.journal.resultsOf(child), folderFiles[stream]);
    // An earlier worker may have begun.
    writeFileSync(path, '', { mode: 0o600 });
    for (let offset = 0; ;) {
      const request = { type: 'read-child', child, stream, offset } as const;
      const piece = await this.#options.asker.askJson(guest, request, answerMs);
      if (isRefusal(piece)) throw new Error(piece.refused);
      const bytes = Buffer.from(piece.base64, 'base64');
      appendFileSync(path, bytes);
      offset += bytes.length;
      if (piece.isLast) return;
    }
  }

  /** The copy is dead. The original goes on as if it had never been, once the job may. */
  #bringBack(away: Away, why: string): void {
    const { attempts, mayRun, log } = this.#options;
    if (!mayRun()) {
      // Looked at again; its copy gets no more time.
      away.isSettled = false;
      away.grantedUntil = Number.NEGATIVE_INFINITY;
      return;
    }
    away.isSettled = true;
    log.warn({ child: away.note.child, guest: away.note.guest, why }, 'a child that was away goes on at home');
    if (attempts.get(away.note.key)?.paused === true) away.deputy.release();
    else away.deputy.letGo();
  }

  async #over(away: Away, fate: DeputyFate): Promise<void> {
    const { journal, log } = this.#options;
    const { child, guest, key, pid, startTicks } = away.note;
    // Closed: all of it is for the next worker.
    if (this.#all.get(child) !== away) return;
    this.#all.delete(child);
    this.#count(key, -1);
    if (fate === 'released' && !away.isSettled) {
      // Its holder has died alone. Where the original has gone on since, its copy is called back.
      log.error({ child, pid, startTicks }, 'the holder of a child that is away has ended');
      if (await this.take(away.note).catch(() => false)) return;
    }
    if (fate === 'released' && away.isEnding && (await processStanding(away.note, settlingMs)) !== 'gone') {
      // Its work is done and its output added, so it must not go on; how it ended is lost.
      log.error({ child, pid, startTicks }, 'a child could not be ended as its copy ended: killing it');
      process.kill(pid, 'SIGKILL');
    }
    journal.remove(child);
    await this.#tell(guest, { type: 'drop-child', child });
  }

  #followPause(away: Away): void {
    const paused = this.#options.attempts.get(away.note.key)?.paused === true;
    if (paused === away.paused) return;
    away.paused = paused;
    const signals = [paused ? stopSignal : continueSignal];
    void this.#tell(away.note.guest, { type: 'signal-child', child: away.note.child, signals });
  }

  #forward(child: string, signals: readonly number[]): void {
    const away = this.#all.get(child);
    if (away === undefined) return;
    const { note } = away;
    const known = signals.reduce((mask, number) => mask | (1n << BigInt(number - 1)), BigInt(`0x${note.known}`));
    away.note = { ...note, known: known.toString(16) };
    this.#options.journal.write(away.note);
    void this.#tell(note.guest, { type: 'signal-child', child, signals });
  }

  /** What is not heard now is told again when the copy asks, or is of no use any more. */
  async #tell(
    node: string,
    request:
      | { readonly type: 'drop-child'; readonly child: string }
      | { readonly type: 'signal-child'; readonly child: string; readonly signals: readonly number[] },
  ): Promise<void> {
    await this.#options.asker.askJson(node, request, answerMs).catch((error: unknown) => {
      this.#options.log.debug({ err: error, node, child: request.child }, 'a node did not hear of a child');
    });
  }

  #count(key: string, by: 1 | -1): void {
    const attempt: Attempt | undefined = this.#options.attempts.get(key);
    if (attempt !== undefined) attempt.childrenAway = (attempt.childrenAway ?? 0) + by;
  }
}

/** Source: signal(7), numbers for x86, the only processor whose children are moved. */
const killSignal = 9;
const continueSignal = 18;
const stopSignal = 19;
