import { randomUUID } from 'node:crypto';

import { ExitCode, OmxError } from '@omx/core';
import type { Redis } from 'ioredis';

import { prefix } from './keys.ts';

/** What a Redis user may not do that omx needs. */
export interface MissingRights {
  readonly commands: readonly string[];
  /** Patterns of keys and of channels, as an ACL writes them. */
  readonly keys: readonly string[];
  readonly channels: readonly string[];
}

/** Rights that do for omx, as `ACL SETUSER` takes them. */
const enough = `~${prefix}:* ~{${prefix}:* &${prefix}:* +@all -@admin`;

/**
 * Every command omx sends or calls from a script, BullMQ's among them, with arguments that harm nothing: `KEY` is a string
 * that runs out by itself, so what is meant for another type is refused after the rights were looked at
 * (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
 */
const probes: readonly string[] = `
  ping; time; info server; script exists 0; eval return(0) 0; evalsha 0 0; publish ${prefix}:probe 0
  get KEY; mget KEY; exists KEY; type KEY; getrange KEY 0 0; setrange KEY 0 0; incr KEY
  hset KEY f 0; hmset KEY f 0; hget KEY f; hmget KEY f; hgetall KEY; hkeys KEY; hlen KEY; hdel KEY f; hincrby KEY f 0
  hexists KEY f; rpush KEY 0; lpush KEY 0; rpop KEY; lpop KEY; rpoplpush KEY KEY; lrange KEY 0 0; llen KEY; lindex KEY 0
  lset KEY 0 0; lrem KEY 0 0; ltrim KEY 0 0; lpos KEY 0; sadd KEY 0; srem KEY 0; smembers KEY; sismember KEY 0
  scard KEY; zadd KEY 0 0; zrem KEY 0; zscore KEY 0; zcard KEY; zcount KEY 0 0; zrange KEY 0 0; zrangebyscore KEY 0 0
  zrevrange KEY 0 0; zrevrangebyscore KEY 0 0; zremrangebyscore KEY 0 0; zremrangebyrank KEY 0 0; zpopmin KEY
  xadd KEY * f 0; xrange KEY - +; xlen KEY; xtrim KEY MAXLEN 1; xdel KEY 0-1; pttl KEY; persist KEY
  pexpire KEY 9000; unlink KEY`
  .trim()
  .split(/\s*[;\n]\s*/);

/** The commands whose rights are looked at, for whoever wants to know whether one is forgotten. */
export const probedCommands: readonly string[] = [
  ...['set', 'del', 'multi', 'exec', 'subscribe', 'unsubscribe'],
  ...probes.map((probe) => probe.split(' ')[0] ?? ''),
];

/**
 * Tries all that omx does, in two questions.
 * @param subscriber a connection that has not subscribed to anything yet; without it that right is not looked at
 * @returns undefined where nothing is missing
 * @throws OmxError where the server takes no writes at all
 */
export async function missingRights(redis: Redis, subscriber?: Redis): Promise<MissingRights | undefined> {
  const id = randomUUID();
  const ours = `${prefix}:probe:${id}`;
  const bullmqs = `{${prefix}:q:probe}:${id}`;
  const calls = [
    ...[ours, bullmqs].map((key) => ['set', key, '0', 'PX', '10000']),
    ...probes.map((probe) => probe.replaceAll('KEY', ours).split(' ')),
    ['get', bullmqs],
    ...[ours, bullmqs].map((key) => ['del', key]),
  ];
  const pipeline = redis.pipeline();
  for (const [command = '', ...args] of calls) pipeline.call(command, ...args);
  const replies = ((await pipeline.exec()) ?? []).map(([error]) => error?.message ?? '');
  if (replies[0]?.startsWith('READONLY') === true) throw readOnly();
  const missing = { commands: new Set<string>(), keys: new Set<string>(), channels: new Set<string>() };
  const note = (text: string, key: string, command: string): void => {
    if (!text.startsWith('NOPERM')) return;
    if (/\bkeys?\b/.test(text)) missing.keys.add(key === bullmqs ? `{${prefix}:*` : `${prefix}:*`);
    else if (/\bchannels?\b/.test(text)) missing.channels.add(`${prefix}:*`);
    else missing.commands.add(deniedCommand(text) ?? command);
  };
  for (const [at, [command = '', key = '']] of calls.entries()) note(replies[at] ?? '', key, command);
  note(await refusalOf(async () => redis.multi().ping().exec()), '', 'multi');
  if (subscriber !== undefined) {
    note(await refusalOf(async () => subscriber.subscribe(ours)), '', 'subscribe');
    note(await refusalOf(async () => subscriber.unsubscribe(ours)), '', 'unsubscribe');
  }
  const [commands, keys, channels] = [[...missing.commands], [...missing.keys], [...missing.channels]];
  return commands.length + keys.length + channels.length === 0 ? undefined : { commands, keys, channels };
}

/** @throws OmxError that names all that is missing */
export async function requireRights(redis: Redis, where: string, subscriber?: Redis): Promise<void> {
  const missing = await missingRights(redis, subscriber);
  if (missing !== undefined) throw rightsError(redis, where, missing);
}

/**
 * What to tell of an error that came up on the way: everything the user may not do, not only what was refused first.
 * @returns undefined where the error is about something else
 */
export async function rightsErrorOf(redis: Redis, where: string, error: Error): Promise<OmxError | undefined> {
  const missing = missingBy(error.message);
  if (missing !== undefined) return rightsError(redis, where, (await missingRights(redis)) ?? missing);
  return error.message.startsWith('READONLY') ? readOnly() : undefined;
}

function rightsError(redis: Redis, where: string, missing: MissingRights): OmxError {
  const user = redis.options.username ?? 'default';
  return new OmxError(`cannot use the queue at ${where}: its user '${user}' ${mayNot(missing)}`, {
    code: 'REDIS_RIGHTS',
    exitCode: ExitCode.unreachable,
    hint: `as its administrator: ACL SETUSER ${user} ${enough}`,
  });
}

/** `may not use the commands hset, eval, nor keys like omx:*`. */
function mayNot({ commands, keys, channels }: MissingRights): string {
  const parts = [
    ...(commands.length === 0 ? [] : [`use the command${commands.length === 1 ? '' : 's'} ${commands.join(', ')}`]),
    ...(keys.length === 0 ? [] : [`touch keys like ${keys.join(' and ')}`]),
    ...(channels.length === 0 ? [] : [`use channels like ${channels.join(' and ')}`]),
  ];
  return `may not ${parts.join(', nor ')}`;
}

/** What one refusal says is missing; undefined where it says nothing of rights. */
function missingBy(text: string): MissingRights | undefined {
  if (!/NOPERM|ACL failure/.test(text)) return undefined;
  const command = deniedCommand(text);
  if (command !== undefined) return { commands: [command], keys: [], channels: [] };
  const patterns = [`${prefix}:*`];
  return /\bchannels?\b/.test(text)
    ? { commands: [], keys: [], channels: patterns }
    : { commands: [], keys: [...patterns, `{${prefix}:*`], channels: [] };
}

function deniedCommand(text: string): string | undefined {
  return /'([\w|]+)' command/.exec(text)?.[1];
}

async function refusalOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function readOnly(): OmxError {
  return new OmxError('cannot keep a queue in this server: it is a replica that takes no writes', {
    code: 'REDIS_READONLY',
    exitCode: ExitCode.unreachable,
    hint: 'name the primary server in the URL',
  });
}
