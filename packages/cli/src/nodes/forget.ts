import { ExitCode, OmxError } from '@omx/core';

import { type Io, say, writeJson, writeLine } from '../io.ts';
import { stopSignal } from '../output/stop-signal.ts';
import type { Session } from '../session.ts';
import { lookUntil } from './look.ts';

/** A worker that has just started watches a node for the length of its lease before it calls it lost. */
const slackMs = 60_000;

/**
 * `omx nodes --forget`: the node will not come back, so its jobs may be given to others whatever it said (`--on-lost`),
 * and its name is free again. A worker does that; this only says so and waits for it.
 */
export async function forgetNode(
  io: Io,
  session: Session,
  name: string,
  options: { readonly json?: boolean },
): Promise<number> {
  const node = await session.nodes.find(name);
  if (node.state !== 'down') throw notGone(name);
  await session.nodes.want(name, { state: 'gone', reason: '' });
  const others = (await session.nodes.list()).filter(({ state }) => state !== 'down');
  if (others.length === 0) {
    if (options.json === true) await writeJson(io, { name, forgotten: false });
    else
      await writeLine(
        io,
        `${name}: no worker is up that could give its jobs to others; the next one that starts does so`,
      );
    return ExitCode.ok;
  }
  const stop = stopSignal(io);
  try {
    const end = await lookUntil(session, [name], (now) => now[0] === undefined || now[0].state !== 'down', {
      withinMs: node.leaseMs + slackMs,
      signal: stop.signal,
    });
    if (end.done && end.nodes.length > 0) throw notGone(name);
    if (stop.exitCode() === ExitCode.interrupted) say(io, `no longer waiting; ${name} is forgotten soon`);
    else if (options.json === true) await writeJson(io, { name, forgotten: end.done });
    else if (end.done) await writeLine(io, `${name}: forgotten; the jobs it had are queued again`);
    else await writeLine(io, `${name}: no worker has taken care of its jobs yet; it is forgotten as soon as one does`);
    return stop.exitCode() ?? ExitCode.ok;
  } finally {
    stop.release();
  }
}

function notGone(name: string): OmxError {
  return new OmxError(`node ${name} cannot be forgotten: it is alive`, {
    code: 'NODE_ALIVE',
    exitCode: ExitCode.usage,
    hint: `end its worker first, after omx drain ${name} --wait where its jobs are to finish`,
  });
}
