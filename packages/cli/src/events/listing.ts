import type { BatchFeed } from './batch-feed.ts';
import { compareEvents, type OmxEvent } from './event.ts';
import { EventIndex, type Place } from './event-index.ts';

/** Events read again and printed at once. */
const together = 2000;

/**
 * What has happened so far, in order of time, however many jobs: the records are read once to see when each event was,
 * and again, a few thousand at a time, to tell it.
 * @param others events of nodes
 * @param since milliseconds since the epoch
 */
export async function* listEvents(
  feeds: readonly BatchFeed[],
  others: readonly OmxEvent[],
  since: number,
): AsyncGenerator<OmxEvent[]> {
  const index = new EventIndex();
  const few = [...others];
  for (const [source, feed] of feeds.entries()) {
    few.push(...(await feed.readBatch()));
    for await (const lives of feed.scan()) {
      for (const { ordinal, events } of lives)
        for (const { rank, event } of events) if (event.at >= since) index.add({ at: event.at, source, ordinal, rank });
    }
  }
  const open = few.filter(({ at }) => at >= since).sort(compareEvents);
  let next = 0;
  for (const places of index.inOrder(together)) {
    const events = await tell(feeds, places);
    const merged: OmxEvent[] = [];
    for (const event of events) {
      for (let other = open[next]; other !== undefined && compareEvents(other, event) < 0; other = open[next]) {
        merged.push(other);
        next += 1;
      }
      merged.push(event);
    }
    yield merged;
  }
  yield open.slice(next);
}

/** Of a job that has gone on since the first reading, what its record no longer tells is left out. */
async function tell(feeds: readonly BatchFeed[], places: readonly Place[]): Promise<OmxEvent[]> {
  const wanted = new Map<number, Set<number>>();
  for (const { source, ordinal } of places) {
    const ordinals = wanted.get(source);
    if (ordinals === undefined) wanted.set(source, new Set([ordinal]));
    else ordinals.add(ordinal);
  }
  const found = new Map<string, OmxEvent>();
  for (const [source, ordinals] of wanted) {
    const lives = (await feeds[source]?.again([...ordinals].sort((a, b) => a - b))) ?? [];
    for (const { ordinal, events } of lives)
      for (const { rank, event } of events) found.set(`${source} ${ordinal} ${rank}`, event);
  }
  return places.flatMap(({ source, ordinal, rank }) => found.get(`${source} ${ordinal} ${rank}`) ?? []);
}
