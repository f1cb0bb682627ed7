import { ExitCode, type NodeInfo, OmxError } from '@omx/core';
import { globalKeys } from '@omx/queue';
import { homeAt } from '@omx/queue/embedded';

import { loadConfig } from './config.ts';
import type { Io } from './io.ts';
import { localWorkers, type Session } from './session.ts';

/**
 * A guest takes work and submits none: refuses a submit where every worker of this user's `OMX_HOME` is a guest of the
 * same queue. It keeps work from being submitted on the wrong machine by mistake; it is no lock.
 */
export async function refuseOnGuest(io: Io, session: Session): Promise<void> {
  const home = session.home ?? homeAt(loadConfig(io, {}).home.value, io.env);
  const workers = localWorkers(home);
  if (workers.length === 0) return;
  const texts = await session.redis.hmget(globalKeys.nodes, ...workers.map(({ name }) => name));
  const nodes = texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as NodeInfo]));
  // The worker of that name may be one of another queue; ours says its own process id.
  const here = nodes.filter((node) => workers.some(({ name, pid }) => name === node.name && pid === node.pid));
  if (here.length === 0 || here.some(({ role }) => role !== 'guest')) return;
  throw new OmxError(`cannot submit here: this machine is a guest node (${here.map(({ name }) => name).join(', ')})`, {
    code: 'GUEST_NODE',
    exitCode: ExitCode.usage,
    hint: 'a guest takes work and submits none: submit on another machine, or start its worker with --role both',
  });
}
