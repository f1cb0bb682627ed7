import { geteuid } from 'node:process';
import { userInfo } from 'node:os';
import type { CapsuleShape } from './commands.ts';

/**
 * The capsule that a job gets on its first node and keeps. Root needs no user namespace, and can move more without one
 * (shared memory, inotify, connections within the job); anybody else is root inside his own.
 */
export function capsuleShape(): CapsuleShape {
  const uid = geteuid?.() ?? 0;
  return {
    userNamespace: uid !== 0,
    mount: `/tmp/.omx-${uid}`,
    // Java maps a file there that it names by its pid, and every capsule has the same pids.
    own: [`/tmp/hsperfdata_${uid === 0 ? userInfo().username : 'root'}`],
  };
}
