import type { BatchId } from '@omx/core';
import type { Redis } from 'ioredis';

import { batchKeys } from './keys.ts';

/** Common to all entries. */
interface Entry {
  readonly ordinal: number;
  readonly attempt: number;
  /** Milliseconds since the epoch, by the queue's clock. */
  readonly at: number;
}

/** The job went on at another node. */
export interface MovedEntry extends Entry {
  readonly from: string;
  readonly to: string;
  /** `omx migrate`, `drain`, the balancer's sentence. */
  readonly why: string;
  /** How long it stood still, milliseconds. */
  readonly pauseMs: number;
  readonly bytes: number;
}

/** The job was to move, and stays where it is. */
export interface NotMovedEntry extends Entry {
  readonly from: string;
  /** Empty where no node could be asked. */
  readonly to: string;
  readonly why: string;
  /** The reason, in the words of `omx why`. */
  readonly failed: string;
}

/** The job stands still as an image, or goes on from it, at its node. */
export interface FrozenEntry extends Entry {
  readonly did: 'frozen' | 'thawed';
  readonly node: string;
}

/** Somebody asked for an image of the job; those made by the clock only stand in the `ImageStore`, or they would push out the rest. */
export interface CheckpointedEntry extends Entry {
  readonly did: 'checkpointed';
  readonly node: string;
  /** The node that keeps the image. */
  readonly keeper: string;
  readonly pauseMs: number;
  readonly bytes: number;
}

/** The attempt went on from an image of an earlier one that was lost: what that had written by then is the beginning of its output. */
export interface ResumedEntry extends Entry {
  readonly did: 'resumed';
  readonly node: string;
}

export type MoveEntry = MovedEntry | NotMovedEntry | FrozenEntry | CheckpointedEntry | ResumedEntry;

export function isMoved(entry: MoveEntry): entry is MovedEntry {
  return 'to' in entry && !('failed' in entry);
}

export function isNotMoved(entry: MoveEntry): entry is NotMovedEntry {
  return 'failed' in entry;
}

/** A batch keeps some so many; older ones are dropped. */
const kept = 5000;

/** What happened to running jobs of which their records keep no trace: moves, with their reasons, and images. */
export class MoveLog {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async append(batch: BatchId, entry: MoveEntry): Promise<void> {
    const keys = batchKeys(batch);
    await this.#redis
      .pipeline()
      .xadd(keys.moves, 'MAXLEN', '~', kept, '*', 'entry', JSON.stringify(entry))
      // Who follows the batch's events looks again.
      .publish(keys.changes, 'jobs')
      .exec();
  }

  /** Entries after a place in the log, oldest first, with the place to go on from. */
  async read(batch: BatchId, after = '0'): Promise<{ readonly entries: MoveEntry[]; readonly next: string }> {
    const found = await this.#redis.xrange(batchKeys(batch).moves, after === '0' ? '-' : `(${after}`, '+');
    return {
      entries: found.map(([, fields]) => JSON.parse(fields[1] ?? 'null') as MoveEntry),
      next: found.at(-1)?.[0] ?? after,
    };
  }

  /** Oldest first. */
  async all(batch: BatchId): Promise<MoveEntry[]> {
    return (await this.read(batch)).entries;
  }

  /** Of one job, oldest first. */
  async ofJob(batch: BatchId, ordinal: number): Promise<MoveEntry[]> {
    return (await this.all(batch)).filter((entry) => entry.ordinal === ordinal);
  }
}
