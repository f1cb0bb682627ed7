// Makes dist/vendor/ioredis.mjs (see src/redis-client.ts), unless it is newer than the ioredis installed.
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { rolldown } from 'rolldown';

const folder = fileURLToPath(new URL('dist/vendor/', import.meta.url));
const target = join(folder, 'ioredis.mjs');
const source = createRequire(import.meta.url).resolve('ioredis');

if (!isNewer(target, source)) {
  mkdirSync(folder, { recursive: true });
  const entry = join(folder, 'entry.mjs');
  writeFileSync(entry, "export { Redis } from 'ioredis';\n");
  const bundle = await rolldown({ input: entry, platform: 'node', external: [/^node:/], logLevel: 'silent' });
  await bundle.write({ file: target, format: 'esm', minify: true });
}

function isNewer(one, other) {
  const time = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return time(one) > time(other);
}
