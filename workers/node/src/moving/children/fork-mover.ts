import { rmSync } from 'node:fs';
import { arch } from 'node:process';

import { errorOf, isOmxError, OmxError } from '@omx/core';
import {
  type CapsuleJob,
  type Child,
  childrenObstacle,
  type CriuProgram,
  describeFile,
  dumpCpuFeatures,
  freezeChild,
  imageDigest,
  inspectChild,
  type Load,
  readChildren,
  readMembers,
  readProcessTable,
  send,
  type Shepherd,
} from '@omx/launch';
import { type BatchStore, isRefusal, type JobTraits, type NodeAsker, type NodeStore } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../../attempt.ts';
import type { BatchCache } from '../../batch-cache.ts';
import { capsuleJobOf } from '../../capsule-jobs.ts';
import type { Capacity } from '../../capacity.ts';
import { placesFor } from '../placement-of-moves.ts';
import { RefusedMoves } from '../refused-moves.ts';
import { undisturbed } from '../undisturbed.ts';
import type { AwayChildren } from './away-children.ts';
import type { AwayJournal, AwayNote } from './away-journal.ts';
import { candidatesAmong, placeFor, surplusOf } from './policy.ts';

interface ForkMoverOptions {
  readonly nodeDir: string;
  readonly node: string;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly batches: Pick<BatchStore, 'addNote'>;
  readonly nodes: Pick<NodeStore, 'list'>;
  readonly asker: Pick<NodeAsker, 'askJson'>;
  readonly away: AwayChildren;
  readonly journal: AwayJournal;
  readonly capacity: () => Capacity;
  readonly load: () => Load;
  readonly shepherd: Pick<Shepherd, 'suspended' | 'suspensions'>;
  readonly criu: () => Promise<CriuProgram>;
  /** Whether the node is as it should be; else it begins nothing new. */
  readonly maySend: () => boolean;
  readonly log: Logger;
}

/** More would only make each of them stand still for longer. */
const mostAtOnce = 2;
const answerMs = 20_000;
const thawMs = 60_000;
const sendMs = 30_000;
/** What keeps a child at home, or a node from taking it, may have ended by then. */
const refusedMs = 30_000;
/** In place of a node's name, for what keeps a child at home. */
const anywhere = '';

/** A child that may go, with its job. */
interface Candidate {
  readonly attempt: Attempt;
  readonly job: CapsuleJob;
  readonly child: Child;
  readonly name: string;
}

/**
 * Sends single forked children of this node's jobs to idle nodes while there are more busy ones than processors
 * (`--fork-migrate`). The README beside this file tells the protocol.
 */
export class ForkMover {
  readonly #options: ForkMoverOptions;
  readonly #refused = new RefusedMoves(refusedMs);
  readonly #sending = new Map<number, Promise<void>>();
  /** What has been told, by attempt. */
  readonly #told = new WeakMap<Attempt, Set<string>>();
  #closed = false;

  constructor(options: ForkMoverOptions) {
    this.#options = options;
  }

  /** One look; sends are begun, not waited for. To be called each second. */
  async look(): Promise<void> {
    const { away, attempts, maySend } = this.#options;
    away.look();
    if (this.#closed || !maySend()) return;
    this.#refused.prune(performance.now());
    const concerned: Attempt[] = [];
    for (const attempt of attempts.all()) if (await this.#isConcerned(attempt)) concerned.push(attempt);
    if (concerned.length === 0) return;
    const obstacle = childrenObstacle();
    if (obstacle !== undefined) {
      for (const attempt of concerned) await this.#tell(attempt, `its children stay at home: ${obstacle}`);
      return;
    }
    await this.#relieve(concerned);
  }

  /** Begins no more, and waits for those under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#sending.values());
  }

  async #isConcerned(attempt: Attempt): Promise<boolean> {
    const { phase, launcher, pid, paused, cancelledBy, inHand, fenced } = attempt;
    if (phase !== 'running' || launcher !== 'criu' || pid === undefined || inHand !== undefined) return false;
    if (paused === true || fenced === true || cancelledBy !== undefined) return false;
    return (await this.#options.cache.get(attempt.batch))?.specOf(attempt.ordinal).forkMigrate === true;
  }

  async #relieve(concerned: readonly Attempt[]): Promise<void> {
    const { attempts, capacity, load, away } = this.#options;
    const found = concerned.flatMap((attempt) => this.#childrenOf(attempt));
    const busyChildren = found.filter(({ child }) => child.isBusy && !this.#sending.has(child.pid)).length;
    const otherSlots = [...attempts.all()]
      .filter((each) => (each.phase === 'running' || each.phase === 'arriving') && !concerned.includes(each))
      .reduce((sum, { slots }) => sum + slots, 0);
    const surplus = surplusOf({ busyChildren, otherSlots, cpus: load().cpus, slots: capacity().maxSlots });
    const now = performance.now();
    const order = candidatesAmong(found.map(({ child }) => child));
    const candidates = order
      .filter(({ pid }) => !away.has(pid) && !this.#sending.has(pid))
      .flatMap((child) => found.filter((each) => each.child === child))
      .filter(({ name }) => !this.#refused.has(name, anywhere, now));
    let room = Math.min(surplus, mostAtOnce - this.#sending.size);
    for (const candidate of candidates) {
      if (room <= 0) return;
      const to = await this.#placeFor(candidate);
      // It may have been taken in hand as a whole meanwhile.
      if (to === undefined || candidate.attempt.inHand !== undefined || candidate.attempt.phase !== 'running') continue;
      room -= 1;
      this.#begin(candidate, to);
    }
  }

  #childrenOf(attempt: Attempt): Candidate[] {
    try {
      const job = capsuleJobOf(this.#options.nodeDir, attempt);
      return readChildren(job.pid).map((child) => {
        const name = `${attempt.key}-${child.pid}-${child.startTicks}`;
        return { attempt, job, child, name };
      });
    } catch {
      // It has ended.
      return [];
    }
  }

  async #placeFor({ attempt, name }: Candidate): Promise<string | undefined> {
    const { nodes, node, cache, away } = this.#options;
    const spec = (await cache.get(attempt.batch))?.specOf(attempt.ordinal);
    const known = await nodes.list();
    const self = known.find((each) => each.name === node);
    if (spec === undefined || self === undefined) return undefined;
    const places = new Set(placesFor(spec, self, known));
    const now = performance.now();
    const open = known.filter((each) => places.has(each.name) && !this.#refused.has(name, each.name, now));
    return placeFor(open, (each) => away.unseenAt(each.name, each.lastSeen));
  }

  #begin(candidate: Candidate, to: string): void {
    const { log, away, journal } = this.#options;
    const { attempt, child, name } = candidate;
    attempt.childrenAway = (attempt.childrenAway ?? 0) + 1;
    away.expect(name, to);
    const work = this.#send(candidate, to)
      .then(async () => {
        log.info({ child: name, to }, 'a child runs elsewhere');
        await this.#tell(attempt, 'children of it run on other nodes (--fork-migrate)');
      })
      .catch(async (error: unknown) => {
        journal.remove(name);
        await this.#stays(candidate, to, error);
      })
      .finally(() => {
        away.forget(name);
        attempt.childrenAway = (attempt.childrenAway ?? 1) - 1;
        this.#sending.delete(child.pid);
      });
    this.#sending.set(child.pid, work);
  }

  /** What it throws left the child running as it was. */
  async #send(candidate: Candidate, to: string): Promise<void> {
    const { node, journal } = this.#options;
    const { attempt, job, child, name } = candidate;
    const criu = await this.#options.criu();
    const { batch, ordinal, number } = attempt;
    const traits = await this.#traits(criu, candidate);
    const attemptName = { batch, ordinal, attempt: number };
    const receiver = await this.#options.asker.askJson(
      to,
      { type: 'receive-child', child: name, ...attemptName, from: node, traits },
      answerMs,
    );
    if (isRefusal(receiver)) throw new Stays(`${to} did not take it: ${receiver.refused}`, to);
    const image = journal.imageOf(name);
    try {
      const requireCalm = undisturbed(this.#options.shepherd, name);
      const frozen = await freezeChild({ criu, job, child, image }).catch((error: unknown) => {
        throw new Stays(errorOf(error).message, anywhere, { cause: error });
      });
      try {
        await send({ to: receiver, image, timeoutMs: sendMs, sealed: frozen.seal() });
        const ready = await this.#options.asker.askJson(
          to,
          { type: 'thaw-child', child: name, digest: imageDigest(image) },
          thawMs,
        );
        if (isRefusal(ready)) throw new Stays(`it cannot go on at ${to}: ${ready.refused}`, to);
        requireCalm();
        const { pid, startTicks } = child;
        const note = { child: name, key: attempt.key, ...attemptName, pid, startTicks, guest: to };
        journal.write({ ...note, known: frozen.pending.toString(16) });
        await frozen.stay();
        await this.#hold({ ...note, known: frozen.pending.toString(16) });
      } catch (error) {
        await frozen.keepGoing();
        throw error;
      }
    } catch (error) {
      await this.#options.asker.askJson(to, { type: 'drop-child', child: name }, answerMs).catch(() => undefined);
      throw error;
    } finally {
      rmSync(image, { recursive: true, force: true });
    }
    // It would ask by itself, some time later.
    await this.#options.asker.askJson(to, { type: 'look-child', child: name }, answerMs).catch(() => undefined);
  }

  /** Its copy has no say yet, so the original may go on where it cannot be held. @throws what kept it from being held */
  async #hold(note: AwayNote): Promise<void> {
    try {
      if (await this.#options.away.take(note)) return;
    } catch (error) {
      process.kill(note.pid, 'SIGCONT');
      throw error;
    }
    throw new OmxError(`the process ${note.pid} has ended`, { code: 'NOT_RUNNING' });
  }

  async #traits(criu: CriuProgram, { job, child }: Candidate): Promise<JobTraits> {
    const { needed, reasons } = inspectChild(child.pid, readMembers(job.pid), job.shape);
    if (reasons.length > 0) throw new Stays(reasons.join('; '), anywhere);
    const { byPid, pageBytes } = readProcessTable();
    return {
      arch,
      criu: criu.version,
      userNamespace: job.shape.userNamespace,
      rss: (byPid.get(child.pid)?.rssPages ?? 0) * pageBytes,
      slots: 1,
      needed: JSON.stringify(needed.map(describeFile).filter((file) => file !== undefined)),
      cpu: await dumpCpuFeatures(criu),
    };
  }

  async #stays({ attempt, name }: Candidate, to: string, error: unknown): Promise<void> {
    const reason = errorOf(error).message;
    this.#refused.add(name, error instanceof Stays ? error.where : to, performance.now());
    this.#options.log.info({ child: name, to, reason }, 'a child was not moved');
    const { cause } = errorOf(error);
    if ([error, cause].some((each) => isOmxError(each) && each.code === 'NOT_RUNNING')) return;
    // Pids would make another reason of each child.
    const words = reason.replaceAll(/(the )?process \d+( \((.*?)\))?/g, (...[, , , program]) => program ?? 'it');
    await this.#tell(attempt, `a child of it stays at home: ${words}`);
  }

  /** Once a job. */
  async #tell(attempt: Attempt, what: string): Promise<void> {
    const told = this.#told.get(attempt) ?? new Set();
    this.#told.set(attempt, told);
    if (told.has(what) || attempt.phase !== 'running') return;
    told.add(what);
    await this.#options.batches
      .addNote(attempt.batch, `${attempt.key}: ${what}`)
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'a note could not be written'));
  }
}

/** Why a child stays, and where it may not go for that: a node's name, or anywhere. */
class Stays extends Error {
  readonly where: string;

  constructor(reason: string, where: string, options?: ErrorOptions) {
    super(reason, options);
    this.where = where;
  }
}
