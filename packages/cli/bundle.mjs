// Makes dist/bundle of the command line, core and queue (see src/entry.ts). What finds files beside itself, or is loaded
// for work that takes long anyway, stays outside.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('dist/', import.meta.url));
const outside = [
  '@omx/launch',
  '@omx/worker-node',
  '@omx/worker-results',
  'bullmq',
  'pino',
  'smol-toml',
  'yaml',
  'zod',
];

const bundle = await rolldown({
  input: `${dist}entry.js`,
  platform: 'node',
  external: [/^node:/, ...outside],
  logLevel: 'silent',
});
rmSync(`${dist}bundle`, { recursive: true, force: true });
await bundle.write({ dir: `${dist}bundle`, format: 'esm', minify: true });
await bundle.close();
