import { ExitCode, leftReason, type NodeInfo } from '@omx/core';

import { LeftOnNodes } from '../acting/left-on-nodes.ts';
import { jobsText } from '../acting/wording.ts';
import { type Io, say, writeJson, writeLine } from '../io.ts';
import { lookUntil, readNodes } from '../nodes/look.ts';
import { findNodes } from '../nodes/names.ts';
import { stopSignal } from '../output/stop-signal.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';

interface DrainOptions extends QueueOptions {
  readonly reason?: string;
  readonly requeue?: boolean;
  readonly wait?: boolean;
  readonly json?: boolean;
}

interface UndrainOptions extends QueueOptions {
  readonly json?: boolean;
}

/** A worker that lives has heard of a wish by then. */
const heardMs = 5000;
/** What is still there is told so often, at most. */
const leftEveryMs = 2000;

/**
 * `omx drain`: the nodes take nothing more, until `omx undrain`, and so do workers of these names that start meanwhile.
 * Running jobs go to other nodes where they can be moved; the others finish there or, with `--requeue`, begin anew elsewhere.
 */
export async function drain(io: Io, words: readonly string[], options: DrainOptions): Promise<number> {
  return withSession(io, options, async (session) => {
    const before = await findNodes(session, words);
    const names = before.map(({ name }) => name);
    const lines: string[] = [];
    for (const { name } of before) {
      const earlier = await session.nodes.wanted(name);
      const again = earlier?.state === 'drained';
      const reason = options.reason ?? (again ? earlier.reason : '');
      const requeue = options.requeue === true || (again && earlier.requeue === true);
      await session.nodes.want(name, { state: 'drained', reason, requeue });
      if (again) lines.push(`${name}: was to be drained already${reason === '' ? '' : ` (${reason})`}`);
    }
    const heard = await lookUntil(session, names, (nodes) => nodes.every(({ state }) => state !== 'up'), {
      withinMs: heardMs,
    });
    const texts = heard.nodes.map((node) => drainText(node, options.requeue === true));
    if (options.json !== true) for (const line of [...lines, ...texts]) await writeLine(io, line);
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

function drainText({ name, state, running }: NodeInfo, requeue: boolean): string {
  switch (state) {
    case 'down':
      return `${name}: is down; when it is back it takes no jobs until omx undrain ${name}`;
    case 'draining':
      return `${name}: moves or ${requeue ? 'queues again' : 'finishes'} ${jobsText(running)} and takes no more until omx undrain ${name}`;
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
    const left = new LeftOnNodes(session, async (line) => writeLine(io, line));
    let leftAt = performance.now() + leftEveryMs;
    // Every node is asked each time, as each has its own first word.
    const { nodes } = await lookUntil(session, names, (now) => now.map(isIdle).every(Boolean), {
      withinMs: Infinity,
      signal: stop.signal,
      seen: async (now) => {
        if (json || performance.now() < leftAt) return;
        await left.look(now);
        leftAt = performance.now() + leftEveryMs;
      },
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
