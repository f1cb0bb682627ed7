import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OmxError } from '@omx/core';

/** The shepherd's program: `OMX_SHEPHERD`, else what `npm run build` made. */
export function shepherdBinary(): string {
  const path =
    process.env['OMX_SHEPHERD'] ?? fileURLToPath(new URL('../../native/build/omx-shepherd', import.meta.url));
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw new OmxError(`the shepherd, which starts the jobs, is not at ${path}`, {
      code: 'SHEPHERD_MISSING',
      hint: 'run `npm run build`; it needs a C compiler (on Debian: apt-get install gcc libc6-dev)',
      cause: error,
    });
  }
  return path;
}
