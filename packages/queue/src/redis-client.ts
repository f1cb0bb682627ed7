import { existsSync } from 'node:fs';

import type * as ioredis from 'ioredis';

/**
 * ioredis, from the single file that `bundle-client.mjs` makes of it at build time where that is there: it is a hundred
 * small modules, and loading them one by one is half of what a short command costs.
 */
export const RedisClient: typeof ioredis.Redis = (await load()).Redis;

async function load(): Promise<Pick<typeof ioredis, 'Redis'>> {
  const bundled = new URL('../dist/vendor/ioredis.mjs', import.meta.url);
  return existsSync(bundled) ? ((await import(bundled.href)) as typeof ioredis) : import('ioredis');
}
