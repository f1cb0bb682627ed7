import type { Batch } from '@omx/core';
import { quoteWord, textOf } from '@omx/core';
import { runTop, type TopActions, type TopRow, TopSampler, topText } from '@omx/monitor';

import { JobCommands } from '../acting/job-commands.ts';
import { touchedSpans } from '../acting/untouched.ts';
import { behindScreen, exitCodeOf, Kept, terminalOf } from '../full-screen.ts';
import { type Io, write, writeJson } from '../io.ts';
import { jobView } from '../job-view.ts';
import { oneLine } from '../render/table.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';
import { cancel } from './cancel.ts';
import { hold, pause, release, resume } from './control.ts';
import { tail } from './tail.ts';

interface TopOptions extends QueueOptions {
  readonly json?: boolean;
}

/** So long may what was begun go on after the screen was left. */
const lastMs = 2000;

/** `omx top`: the jobs that run, live on a terminal, once elsewhere. */
export async function top(io: Io, options: TopOptions): Promise<number> {
  const terminal = options.json === true ? undefined : terminalOf(io);
  if (terminal !== undefined) {
    return withSession(behindScreen(io), options, async (session) => {
      const sampler = samplerOf(session, new Commands(session));
      const ending = await runTop(terminal, async (waiting) => sampler.read(waiting), actionsOf(io, options));
      // A cancel that waits for a queue that is away would keep the process for ever.
      setTimeout(() => process.exit(), lastMs).unref();
      return exitCodeOf(ending);
    });
  }
  return withSession(io, options, async (session) => {
    const commands = new Commands(session);
    const snapshot = await samplerOf(session, commands).read(0);
    if (options.json !== true) await write(io.stdout, topText(snapshot));
    else for (const row of snapshot.running) await writeJson(io, await rowJson(session, commands, row));
    return 0;
  });
}

function samplerOf(session: Session, commands: Commands): TopSampler {
  return new TopSampler({
    batches: session.batches,
    jobs: session.jobs,
    nodes: session.nodes,
    asker: session.asker(),
    commandOf: async (batch, ordinal) => {
      const argv = await commands.of(batch).argv(ordinal);
      return oneLine(argv.map((word) => textOf(quoteWord(word))).join(' '));
    },
    touchedSpans: async (batch) => touchedSpans(session, { batch, spans: [], whole: true }),
  });
}

/** The commands of the jobs, by batch: a list's items are read once for many jobs. */
class Commands {
  readonly #session: Session;
  readonly #known = new Map<string, { readonly batch: Batch; readonly commands: JobCommands }>();

  constructor(session: Session) {
    this.#session = session;
  }

  of(batch: Batch): JobCommands {
    const known = this.#known.get(batch.id);
    // A rerun may have changed them.
    if (known?.batch.revisions.length === batch.revisions.length) return known.commands;
    const commands = new JobCommands(this.#session.batches, batch);
    this.#known.set(batch.id, { batch, commands });
    return commands;
  }
}

/** A line of `omx jobs --json`, and what the job uses now. */
async function rowJson(session: Session, commands: Commands, row: TopRow): Promise<Record<string, unknown>> {
  const batch = await session.batches.load(row.batch);
  const names = await session.batches.nodeNames(row.batch);
  const argv = await commands.of(batch).argv(row.snapshot.ordinal);
  const view = jobView(batch, row.snapshot, names, argv, Date.now());
  return {
    ...view,
    state: row.state,
    cpu: row.cpu === null ? null : Math.round(row.cpu * 10) / 10,
    rss: row.rss,
    ...(Object.keys(row.children).length === 0 ? {} : { children: row.children }),
  };
}

/** The commands of the same names, behind the screen. */
function actionsOf(io: Io, { redis }: QueueOptions): TopActions {
  const options = redis === undefined ? {} : { redis };
  const said = async (work: (to: Io) => Promise<number>): Promise<string> => {
    const kept = new Kept();
    await work(behindScreen(io, kept));
    return kept.line;
  };
  return {
    cancel: async (id) => said(async (to) => cancel(to, [id], options)),
    hold: async (id, state) =>
      said(async (to) => ({ queued: hold, held: release, paused: resume }[state] ?? pause)(to, [id], options)),
    tail: async (id, { out, err }, onStop) => {
      const to = behindScreen(io, out, err);
      const onInterrupt: Io['onInterrupt'] = (listener) => {
        onStop(listener);
        return () => {};
      };
      await tail({ ...to, onInterrupt }, [id], { ...options, follow: true, last: '500' });
    },
  };
}
