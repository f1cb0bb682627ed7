import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './open-home.ts';

/**
 * A CRIU before which something else is done, for `OMX_CRIU`.
 * @param folder where it is put
 * @param script of a shell, where `$real` is the real one
 */
export function criuAfter(folder: string, script: string): string {
  const getCriu = join(root, 'packages/cli/setup/get-criu.sh');
  const real = execFileSync('sh', [getCriu, '--where'], { encoding: 'utf8' }).trim();
  const path = join(folder, 'criu');
  writeFileSync(path, `#!/bin/sh\nreal=${real}\n${script}\nexec $real "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
