import { ExitCode, leftReason, type NodeInfo } from '@omx/core';

import { type Io, say, writeJson, writeLine } from '../io.ts';
import { lookUntil, readNodes } from '../nodes/look.ts';
import { findNodes } from '../nodes/names.ts';
import { stopSignal } from '../output/stop-signal.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';

interface DrainOptions extends QueueOptions {
  readonly reason?: string;
  readonly wait?: boolean;
  readonly json?: boolean;
}

interface UndrainOptions extends QueueOptions {
  readonly json?: boolean;
}

/** A worker that lives has heard of a wish by then. */
const heardMs = 5000;

/** `omx drain`: the nodes finish what they run and take nothing more, until `omx undrain`; workers that start meanwhile too. */
export async function drain(io: Io, words: readonly string[], options: DrainOptions): Promise<number> {
  return withSession(io, options, async (session) => {
    const before = await findNodes(session, words);
    const names = before.map(({ name }) => name);
    const lines: string[] = [];
    for (const { name } of before) {
      const earlier = await session.nodes.wanted(name);
      const again = earlier?.state === 'drained';
      const reason = options.reason ?? (again ? earlier.reason : '');
      await session.nodes.want(name, { state: 'drained', reason });
      if (again) lines.push(`${name}: was to be drained already${reason === '' ? '' : ` (${reason})`}`);
    }
    const heard = await lookUntil(session, names, (nodes) => nodes.every(({ state }) => state !== 'up'), {
      withinMs: heardMs,
    });
    if (options.json !== true) for (const line of [...lines, ...heard.nodes.map(drainText)]) await writeLine(io, line);
    const code = options.wait === true ? await untilIdle(io, session, names, options.json === true) : ExitCode.ok;
    if (options.json === true) await writeJson(io, (await readNodes(session, names)).map(nodeState));
    return code;
  });
}

/** `omx undrain`: the nodes take jobs again, drained ones as well as such as were put in quarantine. */
export async function undrain(io: Io, words: readonly string[], options: UndrainOptions): Promise<number> {
  return withSession(io, options, async (session) => {
    const before = await findNodes(session, words);
    const asked: string[] = [];
    for (const { name, state } of before) {
      const drained = (await session.nodes.wanted(name))?.state === 'drained';
      if (!drained && (state === 'up' || state === 'down')) continue;
      await session.nodes.want(name, { state: 'trusted', reason: '' });
      asked.push(name);
    }
    const { nodes } = await lookUntil(
      session,
      before.map(({ name }) => name),
      (now) => now.every(({ state }) => state === 'up' || state === 'down'),
      { withinMs: heardMs },
    );
    if (options.json === true) await writeJson(io, nodes.map(nodeState));
    else for (const node of nodes) await writeLine(io, undrainText(node, asked.includes(node.name)));
    return ExitCode.ok;
  });
}

function nodeState({ name, state, reason, running }: NodeInfo): Record<string, unknown> {
  return { name, state, reason, running };
}

function drainText({ name, state, running }: NodeInfo): string {
  switch (state) {
    case 'down':
      return `${name}: is down; when it is back it takes no jobs until omx undrain ${name}`;
    case 'draining':
      return `${name}: finishes ${running} running ${running === 1 ? 'job' : 'jobs'} and takes no more until omx undrain ${name}`;
    case 'drained':
      return `${name}: runs nothing and takes no jobs until omx undrain ${name}`;
    case 'quarantined':
      return `${name}: is in quarantine and takes no jobs; omx undrain ${name} ends both`;
    case 'up':
      return `${name}: its worker has not answered yet; it takes no more jobs as soon as it does`;
  }
}

function undrainText({ name, state, role }: NodeInfo, asked: boolean): string {
  if (!asked) return `${name}: was not drained`;
  if (state === 'down') return `${name}: is down; it takes jobs when it is back`;
  if (state !== 'up') return `${name}: its worker has not answered yet; it takes jobs again as soon as it does`;
  return role === 'home' ? `${name}: no longer drained; as a home node it takes no jobs` : `${name}: takes jobs again`;
}

/**
 * Waits until nothing runs on the nodes. A node must say so twice: when the wish reaches it, its worker may be about to
 * start a job it has just taken.
 */
async function untilIdle(io: Io, session: Session, names: readonly string[], json: boolean): Promise<number> {
  const stop = stopSignal(io);
  const idleSince = new Map<string, number>();
  const isIdle = ({ name, state, running, lastSeen }: NodeInfo): boolean => {
    if (state === 'down' || state === 'up') return true;
    if (running > 0) idleSince.delete(name);
    else if (!idleSince.has(name)) idleSince.set(name, lastSeen);
    return running === 0 && lastSeen > (idleSince.get(name) ?? lastSeen);
  };
  try {
    // Every node is asked each time, as each has its own first word.
    const { nodes } = await lookUntil(session, names, (now) => now.map(isIdle).every(Boolean), {
      withinMs: Infinity,
      signal: stop.signal,
    });
    const code = stop.exitCode();
    if (code !== undefined) {
      if (code === ExitCode.interrupted)
        say(io, `no longer waiting; ${names.join(', ')} ${names.length === 1 ? 'goes' : 'go'} on draining`);
      return code;
    }
    let undrained = false;
    for (const { name, state, reason } of nodes) {
      if (state === 'up') {
        undrained = true;
        say(io, `${name}: was undrained meanwhile and takes jobs again`);
      } else if (state === 'down') {
        // A worker that leaves as it should has given its jobs back.
        if (reason !== leftReason) say(io, `${name}: is down; what may still run there is not known`);
      } else if (!json) await writeLine(io, `${name}: runs nothing`);
    }
    return undrained ? ExitCode.jobsFailed : ExitCode.ok;
  } finally {
    stop.release();
  }
}
