import { open, stat, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { attemptId, indexOf } from '@omx/core';
import type { ReadCursor, ReadPiece, ReadRequest } from '@omx/queue';

import type { Attempts } from './attempt.ts';
import type { BatchCache } from './batch-cache.ts';
import { type AttemptFiles, capsuleOutput, keptOutput } from './job-folders.ts';

/** Pauses between looks at a file while somebody waits for it: short at first, for output that comes in bursts. */
const firstPauseMs = 10;
const longestPauseMs = 60;

/**
 * Answers `read` requests from the output files on this node. With nothing new it waits as long as the request allows,
 * so a follower learns of output within some 60 ms and costs nothing in between.
 */
export class OutputReader {
  readonly #nodeDir: string;
  readonly #cache: BatchCache;
  readonly #attempts: Attempts;

  constructor(nodeDir: string, cache: BatchCache, attempts: Attempts) {
    this.#nodeDir = nodeDir;
    this.#cache = cache;
    this.#attempts = attempts;
  }

  async answer(request: ReadRequest): Promise<ReadPiece[]> {
    const runtime = await this.#cache.get(request.batch);
    if (runtime === undefined)
      return request.cursors.map((cursor) => ({ cursor, bytes: Buffer.alloc(0), ended: true }));
    const deadline = performance.now() + request.waitMs;
    for (let pause = firstPauseMs; ; pause = Math.min(pause * 1.5, longestPauseMs)) {
      const pieces = await this.#look(request, (ordinal) => indexOf(runtime.batch.spec.jobs, ordinal));
      if (pieces.length > 0 || performance.now() >= deadline) return pieces;
      await delay(pause);
    }
  }

  async #look(request: ReadRequest, index: (ordinal: number) => number): Promise<ReadPiece[]> {
    const pieces: ReadPiece[] = [];
    let room = request.maxBytes;
    for (const cursor of request.cursors) {
      if (room <= 0) break;
      const number = index(cursor.ordinal);
      const attempt = this.#attempts.get(attemptId(request.batch, number, cursor.attempt));
      // Asked before reading: what was written before the end is then in the file.
      const live = attempt !== undefined && attempt.phase !== 'ending';
      const bytes = await this.#read(cursor, { batch: request.batch, index: number, number: cursor.attempt }, room);
      if (bytes.length > 0 || !live) pieces.push({ cursor, bytes, ended: !live && bytes.length < room });
      room -= bytes.length;
    }
    return pieces;
  }

  async #read({ stream, offset }: ReadCursor, attempt: AttemptFiles, limit: number): Promise<Buffer> {
    // In this order: what is kept of a job in a capsule goes from the one place to the other.
    for (const place of [capsuleOutput, keptOutput]) {
      const bytes = await readPiece(place(this.#nodeDir, attempt)[stream], offset, limit);
      if (bytes !== undefined) return bytes;
    }
    return Buffer.alloc(0);
  }
}

/** Undefined where there is no such file. */
async function readPiece(path: string, offset: number, limit: number): Promise<Buffer | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size, ino } = await file.stat();
    if (size <= offset) return Buffer.alloc(0);
    const buffer = Buffer.allocUnsafe(Math.min(limit, size - offset));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    // The shepherd may have given the file to another job meanwhile; then it is no longer found here.
    return (await stat(path)).ino === ino ? buffer.subarray(0, bytesRead) : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  } finally {
    await file?.close();
  }
}
