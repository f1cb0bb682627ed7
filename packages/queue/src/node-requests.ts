import { randomUUID } from 'node:crypto';

import { type BatchId, type Bytes, ExitCode, OmxError } from '@omx/core';
import type { Redis } from 'ioredis';

import { globalKeys } from './keys.ts';

/**
 * Questions to a node, carried by Redis so that no node needs to be reachable otherwise. A request is published
 * and answered on a channel of the asker; nothing is stored. The reader sets the pace, so memory stays bounded on both
 * sides whatever the size of an output.
 *
 * The answer to `read`: a JSON head with a line for each cursor that has news, then the bytes of all of them.
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
export interface JsonAnswers {
  readonly usage: { readonly request: UsageRequest; readonly answer: NodeUsage };
  readonly check: { readonly request: CheckRequest; readonly answer: PathAnswers };
}

type JsonRequest = JsonAnswers[keyof JsonAnswers]['request'];

export type NodeRequest = ReadRequest | JsonRequest;

/** How a node answers each kind of request. */
export type NodeAnswers = {
  readonly [Type in keyof JsonAnswers]: (request: JsonAnswers[Type]['request']) => Promise<JsonAnswers[Type]['answer']>;
} & { readonly read: (request: ReadRequest) => Promise<ReadPiece[]> };

const answerMs = 10_000;

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

  /** The same for a request whose answer is JSON. */
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
    const answer = new Promise<Buffer | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), withinMs);
      // A closed session must not be kept by a question nobody waits for.
      timer.unref();
      this.#waiting.set(id, (bytes) => {
        clearTimeout(timer);
        resolve(bytes);
      });
    });
    const envelope: Envelope = { id, replyTo: this.#channel, request };
    const listeners = await this.#redis.publish(globalKeys.nodeRequests(node), JSON.stringify(envelope));
    if (listeners === 0) {
      this.#waiting.get(id)?.(Buffer.alloc(0));
      this.#waiting.delete(id);
      throw unanswered(node, 'its worker is not running');
    }
    const bytes = await answer;
    this.#waiting.delete(id);
    if (bytes === undefined) throw unanswered(node, 'its worker does not answer');
    return bytes;
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

/** The node's side: takes requests from its channel, answers each once. */
export async function serveRequests(
  subscriber: Redis,
  redis: Redis,
  node: string,
  answers: NodeAnswers,
  onError: (error: unknown) => void,
): Promise<void> {
  const channel = globalKeys.nodeRequests(node);
  const reply = async (text: string): Promise<void> => {
    const { id, replyTo, request } = JSON.parse(text) as Envelope;
    const bytes = await answer(answers, request);
    await redis.publish(replyTo, Buffer.concat([Buffer.from(`${id} `), bytes]));
  };
  subscriber.on('message', (from: string, text: string) => {
    if (from !== channel) return;
    reply(text).catch(onError);
  });
  await subscriber.subscribe(channel);
}

async function answer(answers: NodeAnswers, request: NodeRequest): Promise<Buffer> {
  if (request.type === 'read') return encodePieces(await answers.read(request));
  // One entry of the table for each type, which the compiler cannot follow.
  const reply = answers[request.type] as (request: JsonRequest) => Promise<unknown>;
  return Buffer.from(JSON.stringify(await reply(request)), 'utf8');
}

function unanswered(node: string, why: string): OmxError {
  return new OmxError(`cannot read from node ${node}: ${why}`, {
    code: 'NODE_UNREACHABLE',
    exitCode: ExitCode.unreachable,
    hint: `omx nodes shows the nodes; start it again with omx up or, on ${node}, omx worker --name ${node}`,
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
