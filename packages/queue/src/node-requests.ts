import { randomUUID } from 'node:crypto';

import { type BatchId, type Bytes, errorOf, ExitCode, OmxError } from '@omx/core';
import type { Redis } from 'ioredis';

import { globalKeys } from './keys.ts';
import type { MoveAnswers } from './move-requests.ts';

/**
 * Questions to a node, carried by Redis so that no node needs to be reachable otherwise. A request is published
 * and answered on a channel of the asker; nothing is stored. The reader sets the pace, so memory stays bounded on both
 * sides whatever the size of an output.
 *
 * The answer to `read`: a JSON head with a line for each cursor that has news, then the bytes of all of them. An answer
 * that begins with `!` is a text instead: why there is none.
 */
export interface ReadRequest {
  readonly type: 'read';
  readonly batch: BatchId;
  readonly cursors: readonly ReadCursor[];
  /** Longest total answer, bytes. */
  readonly maxBytes: number;
  /** Hold the answer back so long, milliseconds, while there is no news. */
  readonly waitMs: number;
}

export interface ReadCursor {
  readonly ordinal: number;
  readonly attempt: number;
  readonly stream: 'out' | 'err';
  readonly offset: number;
}

export interface ReadPiece {
  readonly cursor: ReadCursor;
  readonly bytes: Buffer;
  /** The node has no more of this stream, now or ever: the attempt has ended there, or it never knew it. */
  readonly ended: boolean;
}

/** What the node's running attempts use. */
export interface UsageRequest {
  readonly type: 'usage';
}

export interface NodeUsage {
  /** Milliseconds by a clock of the node that only goes forward: for differences between two answers. */
  readonly at: number;
  readonly attempts: readonly AttemptUsage[];
  /** Each copy of a single child of a job that another node has. Absent: there are none. */
  readonly guests?: readonly AttemptUsage[];
}

export interface AttemptUsage {
  readonly batch: BatchId;
  readonly ordinal: number;
  readonly attempt: number;
  /** Of all its processes, those that have ended and were waited for included; seconds. */
  readonly cpu: number;
  /** Of all its processes, bytes; pages they share count once for each. */
  readonly rss: number;
}

/** Whether jobs could be started on the node: what is at these paths there, for the user its jobs run as. */
export interface CheckRequest {
  readonly type: 'check';
  readonly paths: readonly PathQuestion[];
}

export interface PathQuestion {
  readonly use: 'folder' | 'program';
  /** A program without `/` is looked for in `search`. */
  readonly path: Bytes;
  /** Where a job would start; what is relative counts from there. */
  readonly cwd: Bytes;
  /** The PATH of the job. */
  readonly search?: Bytes;
}

/** In the order of the questions. */
export interface PathAnswers {
  readonly answers: readonly PathAnswer[];
}

export interface PathAnswer {
  /** What is wrong with it: `is not there`. Absent: nothing. */
  readonly problem?: string;
  /** The file that would be started. */
  readonly found?: Bytes;
  readonly bytes?: number;
  /** Of a program: equal where two files are the same build. */
  readonly digest?: string;
}

/** Requests whose answer is one JSON value, with that value. */
export interface JsonAnswers extends MoveAnswers {
  readonly usage: { readonly request: UsageRequest; readonly answer: NodeUsage };
  readonly check: { readonly request: CheckRequest; readonly answer: PathAnswers };
}

type JsonRequest = JsonAnswers[keyof JsonAnswers]['request'];

export type NodeRequest = ReadRequest | JsonRequest;

/** How a node answers each kind of request. One that is missing it does not know, and says so. */
export type NodeAnswers = {
  readonly [Type in keyof JsonAnswers]?: (
    request: JsonAnswers[Type]['request'],
  ) => Promise<JsonAnswers[Type]['answer']>;
} & { readonly read: (request: ReadRequest) => Promise<ReadPiece[]> };

const answerMs = 10_000;
/** While an answer is waited for, it is looked so often whether the node still listens. */
const lookMs = 1000;
/** The first byte of an answer that is none; no length of a head begins so, and no JSON. */
const refusalMark = '!';

/** The first byte of a look. A worker that is not at work on what it asks for was started anew, and says so. */
const lookMark = '?';

interface Envelope {
  readonly id: string;
  readonly replyTo: string;
  readonly request: NodeRequest;
}

/** The asking side: one subscription takes all answers of this process. */
export class NodeAsker {
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #channel = globalKeys.reply(randomUUID());
  readonly #waiting = new Map<string, (answer: Buffer) => void>();
  #subscribed: Promise<unknown> | undefined;
  #last = 0;

  constructor(redis: Redis, subscriber: Redis) {
    this.#redis = redis;
    this.#subscriber = subscriber;
  }

  /** Asks a node and waits for its answer. A node that is not there is an error, said at once. */
  async ask(node: string, request: ReadRequest): Promise<ReadPiece[]> {
    return decodePieces(await this.#ask(node, request, request.waitMs + answerMs), request.cursors);
  }

  /**
   * The same for a request whose answer is JSON.
   * @param withinMs how long the node may take; a worker that ends meanwhile is noticed in some seconds
   */
  async askJson<Type extends keyof JsonAnswers>(
    node: string,
    request: JsonAnswers[Type]['request'] & { readonly type: Type },
    withinMs = answerMs,
  ): Promise<JsonAnswers[Type]['answer']> {
    return JSON.parse((await this.#ask(node, request, withinMs)).toString('utf8')) as JsonAnswers[Type]['answer'];
  }

  async #ask(node: string, request: NodeRequest, withinMs: number): Promise<Buffer> {
    await (this.#subscribed ??= this.#subscribe());
    this.#last += 1;
    const id = String(this.#last);
    const envelope: Envelope = { id, replyTo: this.#channel, request };
    const answer = this.#answer(id, node, withinMs);
    try {
      const listeners = await this.#redis.publish(globalKeys.nodeRequests(node), JSON.stringify(envelope));
      if (listeners === 0) throw unanswered(node, 'its worker is not running');
      const bytes = await answer.bytes;
      if (bytes === 'gone') throw unanswered(node, 'its worker has ended');
      if (bytes === 'late') throw unanswered(node, 'its worker takes too long', lateAnswer);
      if (bytes[0] === refusalMark.charCodeAt(0)) throw refused(node, bytes.toString('utf8', 1));
      return bytes;
    } finally {
      answer.forget();
    }
  }

  /** Waits for the answer to a question, as long as somebody listens who can give it. */
  #answer(
    id: string,
    node: string,
    withinMs: number,
  ): { readonly bytes: Promise<Buffer | 'gone' | 'late'>; readonly forget: () => void } {
    let forget = (): void => {};
    const bytes = new Promise<Buffer | 'gone' | 'late'>((resolve) => {
      const timer = setTimeout(() => resolve('late'), withinMs);
      let silent = 0;
      const look = setInterval(() => {
        // At the second zero an answer on its way has come.
        this.#redis.publish(globalKeys.nodeRequests(node), `${lookMark}${id} ${this.#channel}`).then(
          (listeners) => {
            silent = listeners === 0 ? silent + 1 : 0;
            if (silent > 1) resolve('gone');
          },
          () => undefined,
        );
      }, lookMs);
      // A closed session must not be kept by a question nobody waits for.
      timer.unref();
      look.unref();
      this.#waiting.set(id, resolve);
      forget = () => {
        clearTimeout(timer);
        clearInterval(look);
        this.#waiting.delete(id);
      };
    });
    return { bytes, forget };
  }

  async #subscribe(): Promise<void> {
    this.#subscriber.on('messageBuffer', (channel: Buffer, message: Buffer) => {
      if (channel.toString() !== this.#channel) return;
      const idEnd = message.indexOf(0x20);
      this.#waiting.get(message.toString('latin1', 0, idEnd))?.(message.subarray(idEnd + 1));
    });
    await this.#subscriber.subscribe(this.#channel);
  }
}

/** The node's side: takes requests from its channel, answers each once. What it cannot answer it says. */
export async function serveRequests(
  subscriber: Redis,
  redis: Redis,
  node: string,
  answers: NodeAnswers,
  onError: (error: unknown) => void,
): Promise<void> {
  const channel = globalKeys.nodeRequests(node);
  const atWork = new Set<string>();
  const reply = async (text: string): Promise<void> => {
    const { id, replyTo, request } = JSON.parse(text) as Envelope;
    const work = `${id} ${replyTo}`;
    atWork.add(work);
    const bytes = await answer(answers, request).catch((error: unknown) => {
      onError(error);
      return refusal(errorOf(error).message);
    });
    try {
      await redis.publish(replyTo, Buffer.concat([Buffer.from(`${id} `), bytes]));
    } finally {
      atWork.delete(work);
    }
  };
  const look = async (work: string): Promise<void> => {
    if (atWork.has(work)) return;
    const [id = '', replyTo = ''] = work.split(' ');
    await redis.publish(replyTo, `${id} ${refusalMark}its worker was started anew meanwhile`);
  };
  subscriber.on('message', (from: string, text: string) => {
    if (from === channel) (text.startsWith(lookMark) ? look(text.slice(1)) : reply(text)).catch(onError);
  });
  await subscriber.subscribe(channel);
}

async function answer(answers: NodeAnswers, request: NodeRequest): Promise<Buffer> {
  if (request.type === 'read') return encodePieces(await answers.read(request));
  // One entry of the table for each type, which the compiler cannot follow.
  const reply = answers[request.type] as ((request: JsonRequest) => Promise<unknown>) | undefined;
  if (reply === undefined)
    return refusal(`it does not know what '${request.type}' is; it may run another version of omx`);
  return Buffer.from(JSON.stringify(await reply(request)), 'utf8');
}

function refusal(why: string): Buffer {
  return Buffer.from(`${refusalMark}${why}`, 'utf8');
}

/** The code of an error that says no answer has come in time: the node is there, and may be at work on it. */
export const lateAnswer = 'NODE_LATE';

function unanswered(node: string, why: string, code = 'NODE_UNREACHABLE'): OmxError {
  return new OmxError(`node ${node} does not answer: ${why}`, {
    code,
    exitCode: ExitCode.unreachable,
    hint: `omx nodes shows the nodes; start it again with omx up or, on ${node}, omx worker --name ${node}`,
  });
}

function refused(node: string, why: string): OmxError {
  return new OmxError(`node ${node} cannot do that: ${why}`, {
    code: 'NODE_CANNOT',
    exitCode: ExitCode.unreachable,
    hint: `omx nodes shows the nodes; the log of the worker on ${node} may say more`,
  });
}

function encodePieces(pieces: readonly ReadPiece[]): Buffer {
  const heads = pieces.map((piece) => ({ ...piece.cursor, bytes: piece.bytes.length, ended: piece.ended }));
  const head = Buffer.from(JSON.stringify(heads), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length, 0);
  return Buffer.concat([length, head, ...pieces.map((piece) => piece.bytes)]);
}

function decodePieces(answer: Buffer, cursors: readonly ReadCursor[]): ReadPiece[] {
  const headEnd = 4 + answer.readUInt32LE(0);
  const heads = JSON.parse(answer.subarray(4, headEnd).toString('utf8')) as (ReadCursor & {
    bytes: number;
    ended: boolean;
  })[];
  let at = headEnd;
  return heads.map((head) => {
    const bytes = answer.subarray(at, at + head.bytes);
    at += head.bytes;
    const cursor = cursors.find((known) => known.ordinal === head.ordinal && known.stream === head.stream) ?? head;
    return { cursor, bytes, ended: head.ended };
  });
}
