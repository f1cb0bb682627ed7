import { userInfo } from 'node:os';

import type { NodeAccount } from '@omx/core';

/** Who the worker and its jobs are. An account without a name, as in a container started for a bare uid, is called by its number. */
export function ownAccount(): NodeAccount {
  try {
    const { username, uid, gid } = userInfo();
    return { user: username, uid, gid };
  } catch {
    const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
    return { user: String(uid), uid, gid };
  }
}
