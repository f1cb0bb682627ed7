import type { NodeRole } from '@omx/core';
import { type CriuProgram, type Load, send, type Shepherd } from '@omx/launch';
import {
  BalancerSeat,
  type BatchStore,
  ImageStore,
  type JobStore,
  MoveLog,
  NodeAsker,
  type NodeAnswers,
  type NodeStore,
  type Receiver,
  type Redis,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import { capsuleJobOf } from '../capsule-jobs.ts';
import type { Capacity } from '../capacity.ts';
import type { Executor } from '../executor.ts';
import type { Membership } from '../membership.ts';
import type { Starter } from '../starter.ts';
import type { Wishes } from '../wishes.ts';
import { Balancer } from './balancer.ts';
import { Children } from './children/children.ts';
import { Checkpointer } from './checkpointer.ts';
import { Evacuation } from './evacuation.ts';
import { ImageFetcher } from './fetch.ts';
import { ExpectedJobs } from './expected-jobs.ts';
import { Fitness } from './fitness.ts';
import { HandOver } from './hand-over.ts';
import { ImageDropper } from './image-dropper.ts';
import { ImageKeeper } from './image-keeper.ts';
import { ImagePlaces } from './image-places.ts';
import { JobLengths } from './job-lengths.ts';
import { MovableReader } from './movable.ts';
import { Resumer } from './resume-from-image.ts';
import { readTraits } from './traits.ts';

/** What everything that moves jobs is made from. */
export interface MovingGround {
  readonly redis: Redis;
  readonly subscriber: Redis;
  readonly nodeDir: string;
  /** This node's name, and where others reach it. */
  readonly node: string;
  readonly address: string;
  readonly role: NodeRole;
  readonly place: string;
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly nodes: NodeStore;
  readonly cache: BatchCache;
  readonly attempts: Attempts;
  readonly shepherd: Shepherd;
  readonly starter: Starter;
  readonly membership: Membership;
  /** A folder that all nodes see, for images that are kept. */
  readonly imageDir?: string;
  readonly capacity: () => Capacity;
  readonly load: () => Load;
  /** @throws LAUNCHER_UNAVAILABLE where nothing can be frozen or thawed here */
  readonly criu: () => Promise<CriuProgram>;
  readonly log: Logger;
}

/** Images of jobs: kept here for other nodes, and brought here for jobs that go on from them. */
export interface ImageParts {
  readonly asker: NodeAsker;
  readonly images: ImageStore;
  readonly dropper: ImageDropper;
  readonly keeper: ImageKeeper;
  /** Where images go in the place of other nodes. */
  readonly shared?: { readonly folder: string; readonly keeper: ImageKeeper };
  readonly resumer: Resumer;
}

export function makeImageParts(ground: MovingGround): ImageParts {
  const { redis, subscriber } = ground;
  const asker = new NodeAsker(redis, subscriber);
  const images = new ImageStore(redis);
  const sharedKeeper = (folder: string): ImageKeeper =>
    new ImageKeeper({ ...ground, images, send: sendImage, node: folder, folder });
  const dropper = new ImageDropper({ images, asker, sharedKeeper });
  const keeper = new ImageKeeper({ ...ground, images, send: sendImage });
  const fetcher = new ImageFetcher({ ...ground, keeper, sharedKeeper, asker });
  const resumer = new Resumer({ ...ground, images, fetcher, dropper });
  const { imageDir } = ground;
  const shared = imageDir === undefined ? undefined : { folder: imageDir, keeper: sharedKeeper(imageDir) };
  return { asker, images, dropper, keeper, resumer, ...(shared === undefined ? {} : { shared }) };
}

/** Everything that moves jobs, once there is something that runs them. */
export interface MovingParts {
  readonly handOver: HandOver;
  readonly checkpointer: Checkpointer;
  readonly evacuation: Evacuation;
  readonly expected: ExpectedJobs;
  readonly balancer: Balancer;
  readonly children: Children;
  /** To what other nodes and users ask of it. */
  readonly answers: Omit<NodeAnswers, 'read' | 'usage' | 'check'>;
}

export function makeMovingParts(
  ground: MovingGround,
  { asker, images, dropper, keeper, shared }: ImageParts,
  { executor, wishes }: { readonly executor: Executor; readonly wishes: Wishes },
): MovingParts {
  const { redis, node, nodeDir, membership, criu } = ground;
  const moveLog = new MoveLog(redis);
  const handOver = new HandOver({
    ...ground,
    ...{ asker, executor, wishes },
    holdsLease: () => membership.holdsLease,
    keepRefusal: (bytes) => keeper.refusal(bytes),
  });
  const mover = handOver.departures;
  const movable = new MovableReader({ ...ground, mover });
  const expected = new ExpectedJobs({ ...ground, executor });
  const children = new Children({ ...ground, asker, executor });
  const checkpointer = new Checkpointer({
    ...ground,
    ...{ executor, images, dropper, moveLog },
    places: new ImagePlaces({ ...ground, asker, send: sendImage, ...(shared === undefined ? {} : { shared }) }),
    capsuleJob: (attempt) => capsuleJobOf(nodeDir, attempt),
    traits: async (attempt: Attempt) => readTraits(await criu(), capsuleJobOf(nodeDir, attempt), attempt.slots),
  });
  return {
    handOver,
    checkpointer,
    evacuation: new Evacuation({ ...ground, movable, mover, moveLog, asker }),
    expected,
    children,
    balancer: new Balancer({ ...ground, seat: new BalancerSeat(redis, node), asker, lengths: new JobLengths(ground) }),
    answers: {
      ...handOver.answers,
      ...children.answers,
      ...new Fitness(ground).answers,
      checkpoint: async (request) => checkpointer.checkpoint(request),
      keep: async (request) => keeper.keep(request),
      fetch: async (request) => keeper.fetch(request),
      drop: async (request) => keeper.drop(request),
      expect: async (request) => expected.expect(request),
      movable: async () => movable.read(),
    },
  };
}

/** For an image of some gigabytes over a slow network. */
const sendMs = 600_000;

async function sendImage(image: string, to: Receiver): Promise<void> {
  await send({ to, image, timeoutMs: sendMs });
}
