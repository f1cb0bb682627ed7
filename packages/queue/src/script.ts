import { createHash } from 'node:crypto';

import type { Redis } from 'ioredis';

type Argument = string | number | Buffer;

/** A Lua script, sent by its digest and in full only where the server does not know it yet. */
export class Script {
  readonly #source: string;
  readonly #digest: string;

  constructor(source: string) {
    this.#source = source;
    this.#digest = createHash('sha1').update(source).digest('hex');
  }

  /** Runs on one key; replies come as Buffers and numbers. */
  async run(redis: Redis, key: string, args: readonly Argument[]): Promise<unknown> {
    try {
      return await redis.callBuffer('EVALSHA', this.#digest, 1, key, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return redis.callBuffer('EVAL', this.#source, 1, key, ...args);
    }
  }
}
