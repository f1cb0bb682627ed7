import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

import { ExitCode, OmxError } from '@omx/core';

import { ownFolder } from './home.ts';

/**
 * The server program: `OMX_REDIS_SERVER`, else `redis-server` or `valkey-server` on PATH, else the one that
 * `setup/get-redis.sh` unpacked for this user.
 */
export function findRedisServer(env: Readonly<Record<string, string | undefined>>): string {
  const explicit = env['OMX_REDIS_SERVER'];
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin', '/usr/sbin'].filter(
    (dir) => dir !== '',
  );
  const cache = env['XDG_CACHE_HOME'] ?? join(ownFolder(), '.cache');
  const candidates =
    explicit !== undefined && explicit !== ''
      ? [explicit]
      : [
          ...['redis-server', 'valkey-server'].flatMap((name) => folders.map((dir) => join(dir, name))),
          join(cache, 'omx', 'redis', 'redis-server'),
        ];
  const found = candidates.find(isExecutable);
  if (found !== undefined) return found;
  throw new OmxError(
    `cannot start the embedded queue: ${explicit === undefined || explicit === '' ? 'there is no redis-server or valkey-server on PATH' : `${explicit} is not a program`}`,
    {
      code: 'REDIS_MISSING',
      exitCode: ExitCode.unreachable,
      hint: 'install it (Debian: apt-get install redis-server), unpack it without root (sh packages/cli/setup/get-redis.sh), or point --redis at a server',
    },
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
