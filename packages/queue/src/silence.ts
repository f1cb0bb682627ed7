import type { Redis } from 'ioredis';

/** A server that owes an answer and has said nothing for so long is not there any more, milliseconds. */
export const silentMs = 8000;
/** What a process that was itself stopped meanwhile needs to read what has long arrived. */
const catchUpMs = 200;

/**
 * Replaces the connection when the server owes an answer and neither takes nor sends a byte: a network that was cut says
 * nothing, and the kernel alone would notice after a quarter of an hour. Commands without an answer are sent again on the
 * next connection. A connection that only listens owes and is owed nothing, so silence there means nothing.
 *
 * The socket's own timer counts both directions, so a large submit over a slow line is no silence.
 */
export function replaceWhenSilent(redis: Redis, afterMs = silentMs): void {
  redis.on('connect', () => {
    const { stream } = redis;
    stream.setTimeout(afterMs, () => {
      if (redis.commandQueue.length === 0) return;
      const heard = stream.bytesRead;
      setTimeout(() => {
        if (redis.commandQueue.length === 0 || stream.bytesRead !== heard || stream.destroyed) return;
        stream.destroy(new Error(`no answer for ${Math.round(afterMs / 1000)} s`));
      }, catchUpMs).unref();
    });
  });
}
