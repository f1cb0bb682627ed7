import type { NodeRole } from '@omx/core';
import type { CriuProgram, Shepherd } from '@omx/launch';
import {
  type BatchStore,
  type JobStore,
  type MigrateRequest,
  MoveLog,
  type NodeAnswers,
  type NodeAsker,
  type Redis,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import type { Capacity } from '../capacity.ts';
import type { Executor } from '../executor.ts';
import type { Membership } from '../membership.ts';
import type { Starter } from '../starter.ts';
import type { Wishes } from '../wishes.ts';
import { Arrivals } from './arrival.ts';
import type { ArrivalOptions } from './arrival-options.ts';
import { CutShortMoves } from './cut-short.ts';
import { Departures } from './departure.ts';
import { LeavingFolder } from './leaving.ts';
import { refusalOf } from './refusals.ts';
import { roomRefusal } from './room.ts';

interface HandOverOptions {
  readonly redis: Redis;
  readonly asker: NodeAsker;
  readonly nodeDir: string;
  readonly node: string;
  readonly role: NodeRole;
  /** Where other nodes reach this one. */
  readonly address: string;
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly cache: BatchCache;
  readonly attempts: Attempts;
  readonly shepherd: Shepherd;
  readonly membership: Membership;
  readonly executor: Executor;
  readonly starter: Starter;
  readonly wishes: Wishes;
  readonly capacity: () => Capacity;
  readonly holdsLease: () => boolean;
  readonly criu: () => Promise<CriuProgram>;
  /** Why the node keeps no image of about so many bytes. */
  readonly keepRefusal: ArrivalOptions['keepRefusal'];
  readonly log: Logger;
}

/** Both sides of the hand-over, and what other nodes and users may ask of them. */
export class HandOver {
  readonly departures: Departures;
  readonly arrivals: Arrivals;
  readonly #cutShort: CutShortMoves;
  readonly #attempts: Attempts;
  readonly #node: string;

  constructor(options: HandOverOptions) {
    const { nodeDir, starter, cache, redis, wishes } = options;
    this.#attempts = options.attempts;
    this.#node = options.node;
    const request = async (attempt: Attempt): ReturnType<Starter['request']> => {
      const runtime = await cache.get(attempt.batch);
      if (runtime === undefined) throw new Error(`there is no batch ${attempt.batch}`);
      return starter.request(runtime, attempt);
    };
    const lookAgain = (attempt: Attempt): void => {
      wishes
        .check(attempt.batch, undefined)
        .catch((error: unknown) => options.log.error({ err: error }, 'a wish could not be read'));
    };
    const leaving = new LeavingFolder(nodeDir);
    const departing = { ...options, moveLog: new MoveLog(redis), leaving, request, stays: lookAgain };
    this.departures = new Departures(departing);
    this.#cutShort = new CutShortMoves(departing);
    this.arrivals = makeArrivals({ ...options, request, arrived: lookAgain });
  }

  get answers(): Pick<NodeAnswers, 'migrate' | 'receive' | 'thaw' | 'settle' | 'abort'> {
    const { arrivals } = this;
    return {
      migrate: async (asked) => this.#migrate(asked),
      receive: async (asked) => arrivals.receive(asked),
      thaw: async (asked) => arrivals.thaw(asked),
      settle: async (asked) => arrivals.settle(asked),
      abort: async (asked) => arrivals.abort(asked),
    };
  }

  /** Before the shepherd's attempts are adopted: those that are on the move are apart. */
  async recover(hello: Shepherd['hello']): Promise<void> {
    await this.arrivals.recover(hello);
    await this.#cutShort.recover(hello);
  }

  /** Once the shepherd is listened to. */
  async begin(): Promise<void> {
    this.arrivals.begin();
    await this.#cutShort.begin();
  }

  /** The shepherd is gone. Another of these takes up what was begun; nothing may be done from here any more. */
  async abandon(): Promise<void> {
    this.departures.abandon();
    await this.arrivals.abandon();
  }

  async #migrate({ batch, ordinal, attempt: number, to, why }: MigrateRequest) {
    const attempt = this.#attempts.ofBatch(batch).find((each) => each.ordinal === ordinal && each.number === number);
    if (attempt === undefined) return { refused: `it is not at node ${this.#node} any more`, hint: 'ask again' };
    const obstacle = this.departures.obstacle(attempt);
    if (obstacle !== undefined) return { refused: obstacle };
    try {
      return await this.departures.move(attempt, to, why);
    } catch (error) {
      return refusalOf(error);
    }
  }
}

function makeArrivals(options: HandOverOptions & Pick<ArrivalOptions, 'request' | 'arrived'>): Arrivals {
  return new Arrivals({
    ...options,
    refusal: (demand, rss) => roomRefusal(options, demand, rss),
  });
}
