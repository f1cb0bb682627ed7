import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { root } from './open-home.ts';

/**
 * CRIU where every user can start it: one of root's own is in a folder that others cannot enter.
 * @param into a folder that they can
 */
export function criuForOthers(into: string): string {
  const script = join(root, 'packages/cli/setup/get-criu.sh');
  const file = execFileSync('sh', [script, '--where'], { encoding: 'utf8' }).trim();
  const folder = dirname(realpathSync(file));
  if (!existsSync(join(folder, 'criu.bin'))) return file;
  const copy = join(into, 'criu');
  cpSync(folder, copy, { recursive: true });
  chmodSync(copy, 0o755);
  return join(copy, 'criu');
}
