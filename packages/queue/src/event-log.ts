import type { Redis } from 'ioredis';

import { globalKeys } from './keys.ts';
import { queueClock } from './queue-clock.ts';

/** What can happen to a node. */
export const nodeEventTypes = [
  'node-up',
  'node-left',
  'node-lost',
  'node-back',
  'node-draining',
  'node-drained',
  'node-undrained',
  'node-quarantined',
  'node-trusted',
] as const;
export type NodeEventType = (typeof nodeEventTypes)[number];

export interface NodeEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly type: NodeEventType;
  readonly node: string;
  /** What there is to say about it; may be empty. */
  readonly text: string;
}

const kept = 10_000;

/** What happened to nodes, newest 10,000. What happened to jobs stands in their batches. */
export class EventLog {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async append(type: NodeEventType, node: string, text = ''): Promise<void> {
    const at = String(queueClock.now());
    await this.#redis.xadd(
      globalKeys.events,
      'MAXLEN',
      '~',
      kept,
      '*',
      'at',
      at,
      'type',
      type,
      'node',
      node,
      'text',
      text,
    );
  }

  /** Events after a place in the log, oldest first, with the place to go on from. */
  async read(after = '0', count = 1000): Promise<{ readonly events: NodeEvent[]; readonly next: string }> {
    const entries = await this.#redis.xrange(globalKeys.events, after === '0' ? '-' : `(${after}`, '+', 'COUNT', count);
    const events = entries.flatMap(([, fields]) => {
      const entry = new Map<string, string>();
      for (let at = 0; at + 1 < fields.length; at += 2) entry.set(fields[at] ?? '', fields[at + 1] ?? '');
      const type = nodeEventTypes.find((known) => known === entry.get('type'));
      if (type === undefined) return [];
      return [{ at: Number(entry.get('at')), type, node: entry.get('node') ?? '', text: entry.get('text') ?? '' }];
    });
    return { events, next: entries.at(-1)?.[0] ?? after };
  }
}
