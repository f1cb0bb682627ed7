import type { CriuProgram, Load, ProcessTable, Shepherd } from '@omx/launch';
import type { BatchStore, JobStore, MoveAnswers, NodeAsker, NodeStore, NodeUsage } from '@omx/queue';
import type { NodeRole } from '@omx/core';
import type { Logger } from 'pino';

import type { Attempts } from '../../attempt.ts';
import type { BatchCache } from '../../batch-cache.ts';
import type { Capacity } from '../../capacity.ts';
import type { Executor } from '../../executor.ts';
import type { Membership } from '../../membership.ts';
import { roomRefusal } from '../room.ts';
import { AwayChildren } from './away-children.ts';
import { AwayJournal } from './away-journal.ts';
import { ForkMover } from './fork-mover.ts';
import { Guests } from './guests.ts';

interface ChildrenGround {
  readonly nodeDir: string;
  readonly node: string;
  readonly address: string;
  readonly role: NodeRole;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly nodes: NodeStore;
  readonly asker: NodeAsker;
  readonly shepherd: Shepherd;
  readonly membership: Membership;
  readonly executor: Executor;
  readonly capacity: () => Capacity;
  readonly load: () => Load;
  readonly criu: () => Promise<CriuProgram>;
  readonly log: Logger;
}

type ChildAnswers = Pick<MoveAnswers, 'children' | Extract<keyof MoveAnswers, `${string}-child`>>;

/** Single children of jobs: those of this node's that are elsewhere, and those of others that are here. */
export class Children {
  readonly away: AwayChildren;
  readonly mover: ForkMover;
  readonly guests: Guests;

  constructor(ground: ChildrenGround) {
    const { membership, shepherd } = ground;
    const journal = new AwayJournal(ground.nodeDir);
    const mayRun = (): boolean => membership.mayRunJobs && !shepherd.suspended;
    this.away = new AwayChildren({ ...ground, journal, mayRun, leaseLeftMs: () => membership.leaseLeftMs });
    const maySend = (): boolean => mayRun() && membership.state === 'up';
    this.mover = new ForkMover({ ...ground, journal, away: this.away, maySend });
    this.guests = new Guests({ ...ground, refusal: (demand, rss) => roomRefusal(ground, demand, rss) });
  }

  get answers(): {
    readonly [Type in keyof ChildAnswers]: (
      request: ChildAnswers[Type]['request'],
    ) => Promise<ChildAnswers[Type]['answer']>;
  } {
    return { ...this.guests.answers, children: async (request) => this.away.answer(request) };
  }

  /** What a node says of what its jobs use. */
  withGuests(usage: NodeUsage, table: ProcessTable): NodeUsage {
    const guests = this.guests.usage(table);
    return guests.length === 0 ? usage : { ...usage, guests };
  }

  /** The node is leaving: no copy stays here, and no child of its own leaves any more. */
  async leave(): Promise<void> {
    await Promise.all([this.guests.close(), this.mover.close()]);
  }

  /** The same, at once; originals of this node's stay stopped for its next worker. */
  async close(): Promise<void> {
    await Promise.all([this.leave(), this.away.close()]);
  }
}
