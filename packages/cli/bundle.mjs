// Makes dist/bundle of the command line and all that it and the worker load at their start (see src/entry.ts). Outside
// stays what finds its own files beside itself, and what is loaded only for work that takes long anyway.
import { rmSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('dist/', import.meta.url));
const target = `${dist}bundle`;
const outside = ['msgpackr', 'pino', 'piscina', 'smol-toml', 'yaml', 'zod', 'pg', '@valkey/valkey-glide'];

/** Our own modules find programs and folders from where they were, not from where the bundle is. */
const ownPlaces = {
  name: 'own-places',
  transform: {
    filter: { id: /\/(packages|workers)\/[^/]+\/dist\//, code: /import\.meta\.url/ },
    handler: (code, id) => {
      const place = JSON.stringify(relative(target, id));
      return code.replaceAll('import.meta.url', `new URL(${place}, import.meta.url).href`);
    },
  },
};

const bundle = await rolldown({
  input: `${dist}entry.js`,
  platform: 'node',
  external: [/^node:/, ...outside],
  plugins: [ownPlaces],
  logLevel: 'silent',
});
rmSync(target, { recursive: true, force: true });
await bundle.write({ dir: target, format: 'esm', minify: true });
await bundle.close();
