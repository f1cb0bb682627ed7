import type { BatchId, Usage } from '@omx/core';

/**
 * What nodes say to each other about a job that moves, and what a user or the balancer asks of the node that has it.
 * Carried as the other requests to nodes (`node-requests.ts`); the images themselves never are: they go from worker to
 * worker. `workers/node/src/moving/README.md` tells the whole hand-over.
 */

/** An attempt, as all nodes know it. */
export interface AttemptName {
  readonly batch: BatchId;
  readonly ordinal: number;
  readonly attempt: number;
}

/** Why something was not done, in the words of `omx why`. */
export interface Refusal {
  readonly refused: string;
  readonly hint?: string;
  /** For whoever asks, where he goes by the reason: the job does not run there (`traits`), or not under CRIU. */
  readonly code?: 'NOT_RUNNING' | 'OTHER_LAUNCHER';
}

/** To the node that has the job: move it. Answered when it runs there, or stays. */
export interface MigrateRequest extends AttemptName {
  readonly type: 'migrate';
  readonly to: string;
  /** For `omx why` and the events: `omx migrate`, `drain`, the balancer's sentence. */
  readonly why: string;
}

export interface Migrated {
  /** How long the job stood still, milliseconds. */
  readonly pauseMs: number;
  readonly bytes: number;
}

/** To the node that has the job: keep an image of it away from this node, and let it go on. */
export interface CheckpointRequest extends AttemptName {
  readonly type: 'checkpoint';
}

export interface Checkpointed {
  /** The node that keeps the image, or the folder that all nodes see. */
  readonly node: string;
  readonly pauseMs: number;
  readonly bytes: number;
}

/** To another node: will you have this? The answer says where to send it, for as long as the token is good. */
export interface ReceiveRequest extends AttemptName {
  readonly type: 'receive';
  readonly from: string;
  /** `move`: the job is to go on there. `keep`: only the image is kept. */
  readonly purpose: 'move' | 'keep';
  readonly traits: JobTraits;
}

/** What a node must have to go on with a job; known before it is frozen. */
export interface JobTraits {
  readonly arch: string;
  readonly criu: string;
  /** The capsule has a user namespace, so that any account can go on with it. */
  readonly userNamespace: boolean;
  /** Memory of its processes, bytes. */
  readonly rss: number;
  readonly slots: number;
  /** Programs and libraries, as JSON of `NeededFile[]` of `@omx/launch`, which this package does not know. */
  readonly needed: string;
  /** What `criu cpuinfo dump` wrote, base64. */
  readonly cpu: string;
}

export interface Receiver {
  readonly host: string;
  readonly port: number;
  /** For one connection, once. */
  readonly token: string;
  /** The same for the memory pages of a large job, where they are to go to a page server. */
  readonly pages?: { readonly port: number; readonly token: string };
}

/** To the node that has received everything: make the copy, and let it wait. Answered when it waits. */
export interface ThawRequest extends AttemptName {
  readonly type: 'thaw';
  /** SHA-256 of the manifest, hex. */
  readonly digest: string;
}

export interface CopyReady {
  readonly ready: true;
}

/** To the node with the waiting copy: look into the record now. It decides; this only saves time. */
export interface SettleRequest extends AttemptName {
  readonly type: 'settle';
}

/** To the node that received: forget it, the job goes on where it was. */
export interface AbortRequest extends AttemptName {
  readonly type: 'abort';
}

export interface Done {
  readonly done: true;
}

/** To the node that has received an image to keep (`receive` with purpose `keep`): check it, and keep it. */
export interface KeepRequest extends AttemptName {
  readonly type: 'keep';
  /** SHA-256 of the manifest, hex. */
  readonly digest: string;
}

/** To the node that keeps an image: send it there. */
export interface FetchRequest extends AttemptName {
  readonly type: 'fetch';
  readonly digest: string;
  readonly to: Receiver;
}

/** To the node that keeps an image: it is not needed any more. */
export interface DropRequest extends AttemptName {
  readonly type: 'drop';
}

/** What another node must have to go on with a job, or, without one, with whatever runs there. */
export interface TraitsRequest {
  readonly type: 'traits';
  readonly job?: AttemptName;
}

/** Could you go on with this, whatever room you have? Nothing comes of it. */
export interface FitsRequest {
  readonly type: 'fits';
  readonly traits: JobTraits;
}

/** Which of the node's jobs may be moved, and what they use. */
export interface MovableRequest {
  readonly type: 'movable';
}

export interface MovableJobs {
  readonly jobs: readonly MovableJob[];
}

/**
 * To another node, from one that is to be empty, again and again: when a slot gets free, keep it for this job rather than for
 * one that waits in the queue. `done`: it has room for it now.
 */
export interface ExpectRequest extends AttemptName {
  readonly type: 'expect';
  readonly slots: number;
}

/** The fields of `BalancedJob` in `@omx/balance`, with their meanings, as far as the node knows them. */
export interface MovableJob extends AttemptName {
  readonly id: string;
  readonly cpus: number;
  readonly rss: number;
  readonly slots: number;
  /** It shares slots with others (`--oversubscribe`). */
  readonly oversubscribe: boolean;
  readonly ageMs: number;
  readonly cpuMs: number;
  readonly moves: number;
  readonly lastMovedMsAgo?: number;
  readonly immovable?: string;
  /** The nodes its placement allows; none given: all. */
  readonly places?: readonly string[];
}

/**
 * A forked child of a job (`--fork-migrate`) that runs on another node, by the name that the job's node, its home, gave it.
 * `workers/node/src/moving/children/README.md` tells the whole story.
 */
export interface ChildName {
  readonly child: string;
}

/** To a node: will you have a copy of this child? It takes one slot. */
export interface ReceiveChildRequest extends ChildName, AttemptName {
  readonly type: 'receive-child';
  /** Its home. */
  readonly from: string;
  /** Of the child alone. */
  readonly traits: JobTraits;
}

/** To the node that has received everything: make the copy, and let it wait. Answered when it waits. */
export interface ThawChildRequest extends ChildName {
  readonly type: 'thaw-child';
  /** SHA-256 of the manifest, hex. */
  readonly digest: string;
}

/** To the node with the copy: ask home at once what is to become of it. */
export interface LookChildRequest extends ChildName {
  readonly type: 'look-child';
}

/** To the node with the copy: signals for it, by their numbers. */
export interface SignalChildRequest extends ChildName {
  readonly type: 'signal-child';
  readonly signals: readonly number[];
}

/** To the node whose copy has ended: a piece of its output from `offset` on. */
export interface ReadChildRequest extends ChildName {
  readonly type: 'read-child';
  readonly stream: 'out' | 'err';
  readonly offset: number;
}

export interface ChildPiece {
  readonly base64: string;
  readonly isLast: boolean;
}

/** To the node with the copy: it has no say any more. */
export interface DropChildRequest extends ChildName {
  readonly type: 'drop-child';
}

/** To a home, again and again: here is what I have of your children; may they run on? */
export interface ChildrenRequest {
  readonly type: 'children';
  /** Who asks. */
  readonly node: string;
  readonly children: readonly ChildState[];
}

export interface ChildState extends ChildName {
  /** `lost`: it was killed here, and nothing of it counts. */
  readonly state: 'waiting' | 'running' | 'ended' | 'lost';
  /** Of an `ended` one. */
  readonly end?: ChildEnd;
}

export interface ChildEnd {
  /** Exactly one of the two is set. */
  readonly exitCode?: number;
  readonly signal?: number;
  /** Of the copy alone. */
  readonly usage: Usage;
}

/** An order for each child that was asked for, in the same order. */
export interface ChildOrders {
  readonly orders: readonly ChildOrder[];
}

/**
 * `run`: it may, for so many milliseconds from before this was asked. `wait`: as it is, without more time. `drop`: it has no say
 * any more.
 */
export type ChildOrder = { readonly do: 'run'; readonly forMs: number } | { readonly do: 'wait' | 'drop' };

/** Each request with its answer. */
export interface MoveAnswers {
  readonly migrate: { readonly request: MigrateRequest; readonly answer: Migrated | Refusal };
  readonly checkpoint: { readonly request: CheckpointRequest; readonly answer: Checkpointed | Refusal };
  readonly receive: { readonly request: ReceiveRequest; readonly answer: Receiver | Refusal };
  readonly thaw: { readonly request: ThawRequest; readonly answer: CopyReady | Refusal };
  readonly settle: { readonly request: SettleRequest; readonly answer: Done | Refusal };
  readonly abort: { readonly request: AbortRequest; readonly answer: Done };
  readonly keep: { readonly request: KeepRequest; readonly answer: Done | Refusal };
  readonly fetch: { readonly request: FetchRequest; readonly answer: Done | Refusal };
  readonly drop: { readonly request: DropRequest; readonly answer: Done };
  readonly expect: { readonly request: ExpectRequest; readonly answer: Done | Refusal };
  readonly traits: { readonly request: TraitsRequest; readonly answer: JobTraits | Refusal };
  readonly fits: { readonly request: FitsRequest; readonly answer: Done | Refusal };
  readonly movable: { readonly request: MovableRequest; readonly answer: MovableJobs };
  readonly 'receive-child': { readonly request: ReceiveChildRequest; readonly answer: Receiver | Refusal };
  readonly 'thaw-child': { readonly request: ThawChildRequest; readonly answer: CopyReady | Refusal };
  readonly 'look-child': { readonly request: LookChildRequest; readonly answer: Done };
  readonly 'signal-child': { readonly request: SignalChildRequest; readonly answer: Done };
  readonly 'read-child': { readonly request: ReadChildRequest; readonly answer: ChildPiece | Refusal };
  readonly 'drop-child': { readonly request: DropChildRequest; readonly answer: Done };
  readonly children: { readonly request: ChildrenRequest; readonly answer: ChildOrders };
}

export function isRefusal(answer: object): answer is Refusal {
  return 'refused' in answer;
}
