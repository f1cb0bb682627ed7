import { batchNumber, ExitCode } from '@omx/core';
import { EventLog, queueClock } from '@omx/queue';

import { BatchFeed, wholeBatch } from '../events/batch-feed.ts';
import { eventJson, type OmxEvent } from '../events/event.ts';
import { EventFollower, readNodeEvents } from '../events/follow.ts';
import { listEvents } from '../events/listing.ts';
import { parseSince } from '../events/since.ts';
import { type Io, write } from '../io.ts';
import { mergeSelections } from '../output/follower.ts';
import { stopSignal } from '../output/stop-signal.ts';
import { select, type Selection } from '../select.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';

interface EventsOptions extends QueueOptions {
  readonly follow?: boolean;
  readonly since?: string;
}

/** `omx events`: what happened to batches, jobs and nodes, in order of time; with `-f` what follows. Always JSON lines. */
export async function events(io: Io, selectors: readonly string[], options: EventsOptions): Promise<number> {
  // Refused before a queue is started for it.
  if (options.since !== undefined) parseSince(options.since, 0);
  return withSession(io, options, async (session) => {
    await queueClock.sync(session.redis);
    const since = options.since === undefined ? 0 : parseSince(options.since, queueClock.now());
    const stop = stopSignal(io);
    const { signal } = stop;
    const tell = async (found: readonly OmxEvent[]): Promise<void> => {
      if (found.length > 0 && !signal.aborted)
        await write(io.stdout, found.map((event) => `${JSON.stringify(eventJson(event))}\n`).join(''));
    };
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      // The queue may be away; whoever stops is not kept by that.
      await Promise.race([work(session, selectors, { since, follow: options.follow === true, signal, tell }), stopped]);
      return stop.exitCode() ?? ExitCode.ok;
    } finally {
      stop.release();
    }
  });
}

async function work(
  session: Session,
  selectors: readonly string[],
  options: {
    readonly since: number;
    readonly follow: boolean;
    readonly signal: AbortSignal;
    readonly tell: (events: readonly OmxEvent[]) => Promise<void>;
  },
): Promise<void> {
  const { since, follow, signal, tell } = options;
  const selected = selectors.length > 0;
  const follower = follow ? await EventFollower.open(session, { selected, signal, tell }) : undefined;
  const selections = selected ? mergeSelections(await select(session, selectors)) : await everything(session);
  const nodes = selected ? { events: [], next: '0' } : await readNodeEvents(new EventLog(session.redis), '0');
  const feeds = selections.map((selection) => new BatchFeed(session, selection));
  for await (const found of listEvents(feeds, nodes.events, since)) {
    await tell(found);
    if (signal.aborted) return;
  }
  const lastBatch = Math.max(0, ...selections.map(({ batch }) => batchNumber(batch.id)));
  await follower?.run({ feeds, nodesAfter: nodes.next, lastBatch });
}

async function everything(session: Session): Promise<Selection[]> {
  const ids = await session.batches.newest(Number.MAX_SAFE_INTEGER);
  const selections: Selection[] = [];
  for (const id of ids.toReversed()) {
    const batch = await session.batches.find(id);
    if (batch !== undefined) selections.push(wholeBatch(batch));
  }
  return selections;
}
