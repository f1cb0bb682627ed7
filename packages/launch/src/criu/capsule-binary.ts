import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OmxError } from '@omx/core';

/** The capsule's program: `OMX_CAPSULE`, else what `npm run build` made. */
export function capsuleBinary(): string {
  const path = process.env['OMX_CAPSULE'] ?? fileURLToPath(new URL('../../native/build/omx-capsule', import.meta.url));
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw new OmxError(`the capsule, in which a movable job lives, is not at ${path}`, {
      code: 'CAPSULE_MISSING',
      hint: 'run `npm run build`; it needs a C compiler (on Debian: apt-get install gcc libc6-dev)',
      cause: error,
    });
  }
  return path;
}
