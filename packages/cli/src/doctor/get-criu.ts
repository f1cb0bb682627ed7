import { join } from 'node:path';

import { runAtLength } from '@omx/launch';

import { packageFolder } from '../installation.ts';
import type { Io } from '../io.ts';

/**
 * Gets CRIU unattended, if there is none that is new enough; the script says on stderr what it did. Where it cannot, the
 * checks that follow say what is missing.
 */
export async function getCriu(io: Io): Promise<void> {
  await runAtLength('/bin/sh', [join(packageFolder(), 'setup', 'get-criu.sh')], { env: io.env, told: io.stderr });
}
