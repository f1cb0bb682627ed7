import type { LauncherName } from '@omx/core';
import { mostShared } from '@omx/balance';
import { type CriuProgram, readMemoryFacts, type Shepherd } from '@omx/launch';
import { type BatchStore, type JobStore, MoveLog, type NodeStore, type Redis } from '@omx/queue';
import { Delivery } from '@omx/queue/delivery';
import { ResultsPool } from '@omx/worker-results';

import type { Attempts } from './attempt.ts';
import type { BatchCache } from './batch-cache.ts';
import type { Capacity } from './capacity.ts';
import { Dependencies } from './dependencies.ts';
import { Executor } from './executor.ts';
import { FollowUps } from './follow-ups.ts';
import type { Membership } from './membership.ts';
import { FrozenJobs } from './moving/frozen-jobs.ts';
import { type ImageParts, makeImageParts, makeMovingParts, type MovingParts } from './moving/moving-parts.ts';
import type { NodeLoad } from './node-load.ts';
import { Quarantine } from './quarantine.ts';
import { Rescuer } from './rescue.ts';
import { SelfTest } from './self-test.ts';
import { Starter } from './starter.ts';
import { TakeLoop } from './take-loop.ts';
import { Wishes } from './wishes.ts';
import type { WorkerOptions } from './worker-options.ts';

/** What the parts of a worker are made from. */
interface Ground {
  readonly options: WorkerOptions;
  readonly redis: Redis;
  readonly subscriber: Redis;
  /** Where other nodes reach this one. */
  readonly address: string;
  /** What it can start jobs with, as far as it is known by now. */
  readonly launchers: () => readonly LauncherName[];
  /** Those that are still being tried out. */
  readonly trying: () => readonly LauncherName[];
  readonly criu: () => Promise<CriuProgram>;
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly nodes: NodeStore;
  readonly cache: BatchCache;
  readonly attempts: Attempts;
  readonly shepherd: Shepherd;
  readonly membership: Membership;
  readonly load: NodeLoad;
  readonly place: string;
  readonly onConnectionError: (error: Error) => void;
}

/** The parts of a worker that is a node, as long as its shepherd lives. */
export interface NodeParts {
  readonly shepherd: Shepherd;
  readonly membership: Membership;
  readonly cache: BatchCache;
  readonly delivery: Delivery;
  readonly executor: Executor;
  readonly takeLoop: TakeLoop;
  readonly pool: ResultsPool;
  readonly wishes: Wishes;
  readonly followUps: FollowUps;
  readonly quarantine: Quarantine;
  readonly rescuer: Rescuer;
  readonly frozen: FrozenJobs;
  readonly images: ImageParts;
  readonly moving: MovingParts;
}

/** Makes them and tells them of each other. Nothing of it acts yet. */
export function makeParts(ground: Ground): NodeParts {
  const { options, redis, batches, jobs, nodes, cache, attempts, shepherd, membership, load, place } = ground;
  const { name, nodeDir, labels, log } = options;
  const { maxSlots } = load;
  const delivery = new Delivery(redis, options.address, ground.onConnectionError);
  const followUps = new FollowUps({
    batches,
    jobs,
    cache,
    delivery,
    dependencies: new Dependencies(batches, jobs),
    log,
  });
  const pool = new ResultsPool();
  const memTotal = readMemoryFacts()?.totalBytes ?? 0;
  const memBytes = memTotal === 0 ? Infinity : memTotal;
  const capacity = (): Capacity => ({
    slots: load.slots,
    sharedSlots: mostShared * load.slots,
    maxSlots,
    memBytes,
  });
  const starter = new Starter(shepherd, nodeDir, name);
  const movingGround = {
    ...ground,
    ...{ nodeDir, node: name, role: options.role, starter, capacity, log },
    load: () => load.latest,
    ...(options.imageDir === undefined ? {} : { imageDir: options.imageDir }),
  };
  const images = makeImageParts(movingGround);
  const executor = new Executor({
    batches,
    jobs,
    cache,
    shepherd,
    attempts,
    pool,
    nodeDir,
    node: name,
    capacity,
    followUps,
    starter,
    resumer: images.resumer,
    log,
  });
  const takeLoop = new TakeLoop({
    redis,
    node: {
      ...{ name, labels, maxSlots, memTotal },
      get launchers() {
        return ground.launchers();
      },
      get trying() {
        return ground.trying();
      },
    },
    capacity,
    mayTake: () => membership.takesJobs && !moving.expected.takesAll,
    attempts,
    delivery,
    batches,
    jobs,
    nodes,
    cache,
    executor,
    followUps,
    log,
  });
  const rescuer = new Rescuer({ batches, jobs, nodes, self: name, place, log });
  const frozen = new FrozenJobs({ ...movingGround, executor, moveLog: new MoveLog(redis) });
  const wishes = new Wishes({ jobs, cache, attempts, executor, frozen, log });
  const moving = makeMovingParts(movingGround, images, { executor, wishes });
  const selfTest = new SelfTest({ nodeDir, shepherd });
  const quarantine = new Quarantine({
    node: name,
    batches,
    jobs,
    nodes,
    cache,
    membership,
    selfTest,
    onBegin: () => executor.giveBack(executor.ready),
    onEnd: () => takeLoop.wake(),
    log,
  });
  const wake = executor.onRoom;
  executor.onRoom = () => {
    frozen.thawWaiting();
    wake();
  };
  executor.onCancelFrozen = (attempt) => frozen.cancel(attempt);
  executor.onGiveUp = () => frozen.leave();
  executor.onRecorded = (attempt, end) => {
    quarantine.ended(attempt, end);
    if (attempt.launcher === 'criu')
      images.dropper
        .ended(attempt)
        .catch((error: unknown) => log.error({ err: error }, 'an image could not be dropped'));
  };
  executor.onOther = (event) => selfTest.hear(event);
  followUps.beforeStop = async () => quarantine.settle();
  return {
    shepherd,
    membership,
    cache,
    delivery,
    executor,
    takeLoop,
    pool,
    wishes,
    followUps,
    quarantine,
    rescuer,
    frozen,
    images,
    moving,
  };
}
