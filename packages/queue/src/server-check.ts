import { ExitCode, OmxError } from '@omx/core';
import type { Redis } from 'ioredis';

import { requireRights } from './rights.ts';
import { claimSchema } from './schema.ts';

/** What a Redis server must be for omx to trust it with a queue. */
export interface ServerFacts {
  readonly version: string;
  readonly isValkey: boolean;
  readonly policy: string | undefined;
  readonly appendOnly: boolean | undefined;
}

const oldest = [6, 2] as const;

export async function readServerFacts(redis: Redis): Promise<ServerFacts> {
  const info = await redis.info();
  const field = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  return {
    version: field('redis_version') ?? '0',
    isValkey: field('server_name') === 'valkey',
    policy: field('maxmemory_policy'),
    appendOnly: field('aof_enabled') === undefined ? undefined : field('aof_enabled') === '1',
  };
}

/** Why the server cannot hold a queue; undefined if it can. */
export function serverProblem(facts: ServerFacts): { readonly reason: string; readonly hint: string } | undefined {
  const [major = 0, minor = 0] = facts.version.split('.').map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    return {
      reason: `it is Redis ${facts.version}, and omx needs ${oldest.join('.')} or newer`,
      hint: 'upgrade the server, or use Valkey',
    };
  }
  if (facts.policy !== undefined && facts.policy !== 'noeviction') {
    return {
      reason: `its maxmemory-policy is ${facts.policy}, so it may throw parts of the queue away`,
      hint: 'redis-cli config set maxmemory-policy noeviction',
    };
  }
  return undefined;
}

/**
 * Refuses a server that could lose jobs, one whose user may not do what is needed, and records of another version. For
 * whoever is about to write there.
 * @param subscriber a connection that is going to listen, where there is one
 */
export async function requireSafeServer(redis: Redis, where: string, subscriber?: Redis): Promise<void> {
  const facts = await readServerFacts(redis).catch(async (error: unknown) => {
    await requireRights(redis, where, subscriber);
    throw error;
  });
  const problem = serverProblem(facts);
  if (problem !== undefined) {
    throw new OmxError(`cannot keep a queue in ${where}: ${problem.reason}`, {
      code: 'REDIS_UNSAFE',
      exitCode: ExitCode.unreachable,
      hint: problem.hint,
    });
  }
  await requireRights(redis, where, subscriber);
  await claimSchema(redis, where);
}
