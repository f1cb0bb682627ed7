import { ExitCode, OmxError } from '@omx/core';
import type { Redis } from 'ioredis';

import { globalKeys } from './keys.ts';

/**
 * The version of everything omx writes under its keys, and of what nodes say to each other. Raised whenever a version of
 * omx could misread what another has written; until then versions may be mixed. Since 2 jobs can be frozen, and wait for nodes
 * with their launcher.
 */
export const schemaVersion = 2;

/** @throws OmxError where the queue's records are of another version. `null`: nobody has written any yet */
export function requireSchema(stored: string | null, where: string): void {
  if (stored === null || stored === String(schemaVersion)) return;
  throw new OmxError(
    `cannot use the queue at ${where}: its records are of version ${stored}, and this omx reads version ${schemaVersion}`,
    {
      code: 'QUEUE_VERSION',
      exitCode: ExitCode.unreachable,
      hint:
        Number(stored) > schemaVersion
          ? 'a newer omx uses that queue: install the same one here'
          : 'an older omx has filled that queue: let it finish there, or use another queue: another database of the server, or another OMX_HOME',
    },
  );
}

/** Marks the queue as one of this version, unless it is marked already. */
export async function claimSchema(redis: Redis, where: string): Promise<void> {
  // A server without room refuses even a write that changes nothing.
  if ((await redis.get(globalKeys.schema)) === null) await redis.set(globalKeys.schema, String(schemaVersion), 'NX');
  requireSchema(await redis.get(globalKeys.schema), where);
}
