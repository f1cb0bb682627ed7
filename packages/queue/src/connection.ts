import type { Socket } from 'node:net';

import { ExitCode, isOmxError, OmxError } from '@omx/core';
import { Redis, type RedisOptions } from 'ioredis';

import { globalKeys } from './keys.ts';
import { queueClock } from './queue-clock.ts';
import { rightsErrorOf } from './rights.ts';
import { requireSchema } from './schema.ts';
import { replaceWhenSilent } from './silence.ts';

/** Where a queue is: a Redis URL, or the unix socket of the embedded server. */
export type QueueAddress = { readonly url: string } | { readonly socket: string };

type Settings = Omit<RedisOptions, 'replyMapping'> & {
  /** Replace the connection when an answer is overdue for so long, milliseconds. @defaultValue 8 s */
  readonly silentMs?: number;
};

/** TCP asks so often, milliseconds, whether the other side of an idle connection is still there. */
const keepAliveMs = 30_000;

export interface ConnectOptions {
  /**
   * Called once when the connection is lost and each time it is tried again, so that a waiting command can say so.
   */
  readonly onLost?: (error: Error) => void;
  readonly onBack?: () => void;
  /** Do not mind records of another version: for who only stops the server. */
  readonly anyVersion?: boolean;
}

/** The address as text for messages; a password in a URL is not shown. */
export function describeAddress(address: QueueAddress): string {
  if ('socket' in address) return address.socket;
  try {
    const url = new URL(address.url);
    if (url.password !== '') url.password = '***';
    return url.href;
  } catch {
    return address.url;
  }
}

/**
 * Connects and checks that commands are answered and that the queue's records are of this version; learns the server's
 * time with the same question. A refused connection, a wrong password or an unknown host is an error at once (exit code
 * 3); a connection that is lost later is opened again, and commands wait for it.
 */
export async function connect(address: QueueAddress, options: ConnectOptions = {}): Promise<Redis> {
  const redis = openConnection(address, { lazyConnect: true });
  let failure: Error | undefined;
  redis.on('error', (error: Error) => {
    failure = error;
  });
  try {
    await redis.connect();
    await greet(redis, address, options);
  } catch (error) {
    // Of a connection that is closed already, ioredis would wait two seconds for the end.
    if (redis.status !== 'end') redis.disconnect();
    throw isOmxError(error) ? error : unreachable(address, failure ?? (error as Error));
  }
  let lost = false;
  redis.on('close', () => {
    if (lost || redis.status === 'end') return;
    lost = true;
    options.onLost?.(failure ?? new Error('the connection was closed'));
  });
  redis.on('ready', () => {
    if (lost) options.onBack?.();
    lost = false;
  });
  return redis;
}

async function greet(redis: Redis, address: QueueAddress, options: ConnectOptions): Promise<void> {
  const asked = Date.now();
  const replies = (await redis.pipeline().ping().get(globalKeys.schema).time().exec()) ?? [];
  const [ping, schema, time] = replies.map(([error, value]) => ({ error, value }));
  // Of a server that does not know a command its version is told by who is about to write there.
  const refused = ping?.error ?? [schema, time].find((reply) => reply?.error?.message.startsWith('NOPERM'))?.error;
  if (refused) throw (await rightsErrorOf(redis, describeAddress(address), refused)) ?? refused;
  if (options.anyVersion !== true) requireSchema((schema?.value ?? null) as string | null, describeAddress(address));
  if (Array.isArray(time?.value)) queueClock.hear(time.value as number[], asked);
}

/** A connection with omx's settings: commands wait while it is away, and it is opened again without end. */
export function openConnection(address: QueueAddress, more: Settings = {}): Redis {
  let everReady = false;
  const { silentMs, ...others } = more;
  const settings: Omit<RedisOptions, 'replyMapping'> = {
    maxRetriesPerRequest: null,
    keepAlive: keepAliveMs,
    enableReadyCheck: true,
    retryStrategy: (tries: number) => (everReady ? Math.min(50 * tries, 1000) : null),
    ...others,
  };
  let redis: Redis;
  if ('socket' in address) redis = atPath(address.socket, settings);
  else {
    if (!/^(rediss?|unix):\/\//.test(address.url)) {
      throw new OmxError(`'${address.url}' is not a Redis URL`, {
        code: 'REDIS_URL',
        exitCode: ExitCode.usage,
        hint: 'write redis://host:6379, rediss://user:password@host:6379/0 or unix:///path/to/socket',
      });
    }
    redis = address.url.startsWith('unix://')
      ? atPath(address.url.slice(7), settings)
      : new Redis(address.url, settings);
  }
  redis.on('ready', () => {
    everReady = true;
  });
  replaceWhenSilent(redis, silentMs);
  return redis;
}

/**
 * This machine's address as the queue's server sees it, which other clients of that server can usually reach. 127.0.0.1
 * where the server is on this machine.
 */
export function localAddress(redis: Redis): string {
  const { localAddress: address } = redis.stream as Partial<Socket>;
  const plain = address?.replace(/^::ffff:(?=\d)/, '');
  return plain === undefined || plain === '::1' || plain.startsWith('127.') ? '127.0.0.1' : plain;
}

function atPath(path: string, settings: Omit<RedisOptions, 'replyMapping'>): Redis {
  return new Redis({ ...settings, path });
}

function unreachable(address: QueueAddress, cause: Error): OmxError {
  const where = describeAddress(address);
  const text = cause.message === '' ? ((cause as NodeJS.ErrnoException).code ?? 'no answer') : cause.message;
  if (/WRONGPASS|NOAUTH|invalid password|invalid username/i.test(text)) {
    return new OmxError(`cannot use the queue at ${where}: Redis refused the password (${text})`, {
      code: 'REDIS_AUTH',
      exitCode: ExitCode.unreachable,
      hint: 'put user and password into the URL: redis://user:password@host:port',
      cause,
    });
  }
  if (/^(MISCONF|OOM)\b/.test(text)) {
    return new OmxError(`the queue at ${where} refuses to work: ${text}`, {
      code: 'REDIS_REFUSES',
      exitCode: ExitCode.unreachable,
      hint: 'its disk or its memory is full; it goes on by itself when there is room again',
      cause,
    });
  }
  return new OmxError(`cannot reach the queue at ${where}: ${text}`, {
    code: 'REDIS_UNREACHABLE',
    exitCode: ExitCode.unreachable,
    hint: 'is the Redis server running there? Without --redis, OMX_REDIS_URL and a config file omx starts its own',
    cause,
  });
}
