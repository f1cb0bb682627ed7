import {
  applyEvent,
  freshJob,
  isIllegal,
  type Job,
  type JobEvent as Change,
  lostAttempt,
  noOutput,
  noUsage,
  type Outcome,
} from '@omx/core';
import { describe, expect, test } from 'vitest';

import { attemptsOver, jobEvents, needsHistory, type RankedEvent } from '../../src/events/job-events.ts';

/** A job as the queue keeps it: its record, and the records of attempts that the write script puts into the history. */
class Kept {
  job: Job = freshJob('queued', 0);
  readonly history = new Map<number, Job>();
  readonly excused = new Set<number>();

  apply(change: Change): this {
    const next = applyEvent(this.job, change);
    if (isIllegal(next)) throw new Error(next.why);
    if (this.job.status === 'ended' && next.status !== 'ended' && this.job.attempt > 0)
      this.history.set(this.job.attempt, this.job);
    if (change.type === 'lose' && next.status !== 'ended') {
      this.history.set(this.job.attempt, lostAttempt(this.job, change.at));
    }
    this.job = next;
    return this;
  }

  run(at: number): this {
    return this.apply({ type: 'lease', node: 1 }).apply({
      type: 'start',
      attempt: this.job.attempt,
      at,
      launcher: 'plain',
    });
  }

  end(at: number, outcome: Outcome = { kind: 'succeeded' }): this {
    const { attempt } = this.job;
    return this.apply({ type: 'end', attempt, at, outcome, usage: noUsage, output: noOutput });
  }

  events(told = Number.POSITIVE_INFINITY): RankedEvent[] {
    const history = told === Infinity || needsHistory(this.job, told) ? [...this.history.values()] : [];
    return jobEvents({
      id: 'b7.3',
      job: this.job,
      history: history.slice(0, attemptsOver(this.job)),
      excused: this.excused,
      nodeName: (number) => `n${number}`,
      startNode: () => undefined,
      cancelledAt: 99,
    });
  }
}

function told(kept: Kept): string[] {
  return kept.events().map(({ event }) => `${event.at} ${event.type} #${event.attempt}`);
}

const failed: Outcome = { kind: 'exited', code: 3 };

describe('the events of a job', () => {
  test('say where it was started, wherever it has gone since', () => {
    const facts = {
      id: 'b7.3',
      job: new Kept().run(10).job,
      history: [],
      excused: new Set<number>(),
      nodeName: (number: number) => `n${number}`,
      startNode: (attempt: number) => (attempt === 1 ? 'n9' : undefined),
      cancelledAt: 99,
    };
    expect(jobEvents(facts).map(({ event }) => event)).toMatchObject([{ type: 'job-started', node: 'n9' }]);
  });

  test('are none while it waits', () => {
    expect(told(new Kept())).toEqual([]);
  });

  test('say where it ran and how it ended', () => {
    expect(new Kept().run(10).end(20, failed).events()).toMatchObject([
      { event: { at: 10, type: 'job-started', id: 'b7.3', attempt: 1, node: 'n1', launcher: 'plain' } },
      { event: { at: 20, type: 'job-ended', attempt: 1, node: 'n1', outcome: 'exited', exitCode: 3, signal: null } },
    ]);
    expect(new Kept().run(10).end(20, { kind: 'signalled', signal: 9 }).events()[1]?.event).toMatchObject({
      exitCode: null,
      signal: 'SIGKILL',
    });
  });

  test('tell a retry from a rerun: only the last attempt ends the job', () => {
    const retried = new Kept().run(10).end(20, failed).apply({ type: 'retry', at: 30 });
    expect(told(retried)).toEqual(['10 job-started #1', '20 job-retried #1']);
    expect(retried.events()[1]?.event).toMatchObject({ notBefore: new Date(30).toISOString(), exitCode: 3 });
    expect(told(retried.run(31).end(40))).toEqual([
      '10 job-started #1',
      '20 job-retried #1',
      '31 job-started #2',
      '40 job-ended #2',
    ]);
    expect(told(new Kept().run(10).end(20, failed).apply({ type: 'rerun', at: 30 }).run(31))).toEqual([
      '10 job-started #1',
      '20 job-ended #1',
      '30 job-rerun #1',
      '31 job-started #2',
    ]);
  });

  test('tell an attempt that died with its node from one that its node stopped', () => {
    const lost = new Kept().run(10).apply({ type: 'lose', attempt: 1, at: 20 });
    expect(told(lost)).toEqual(['10 job-started #1', '20 job-lost #1']);
    expect(told(lost.run(30).end(40))).toEqual([
      '10 job-started #1',
      '20 job-lost #1',
      '30 job-started #2',
      '40 job-ended #2',
    ]);
    expect(told(new Kept().run(10).apply({ type: 'requeue', attempt: 1, at: 20 }))).toEqual(['20 job-requeued #1']);
    const both = new Kept().run(10).end(20, failed).apply({ type: 'retry', at: 25 }).run(30);
    expect(told(both.apply({ type: 'lose', attempt: 2, at: 40 }).run(50))).toEqual([
      '10 job-started #1',
      '20 job-retried #1',
      '30 job-started #2',
      '40 job-lost #2',
      '50 job-started #3',
    ]);
  });

  test('tell an attempt that did not count, as its node was broken', () => {
    const kept = new Kept().run(10).end(20, failed);
    expect(told(kept)).toEqual(['10 job-started #1', '20 job-ended #1']);
    kept.apply({ type: 'excuse', attempt: 1, retries: 0, at: 30 }).excused.add(1);
    expect(told(kept)).toEqual(['10 job-started #1', '30 job-excused #1']);
    expect(kept.events(8 + 2).filter(({ rank }) => rank > 8 + 2)).toMatchObject([
      { event: { type: 'job-excused', node: 'n1', outcome: 'exited', exitCode: 3 } },
    ]);
    expect(told(kept.run(40).end(50)).slice(2)).toEqual(['40 job-started #2', '50 job-ended #2']);
  });

  test('of a job that is cancelled while it waits are its end, also after an attempt', () => {
    const waiting = new Kept().apply({ type: 'cancel', by: 'user', at: 5 });
    expect(told(waiting)).toEqual(['5 job-ended #0']);
    expect(waiting.events()[0]?.event).toMatchObject({ outcome: 'cancelled', node: null });
    const after = new Kept().run(10).end(20, failed).apply({ type: 'retry', at: 30 });
    expect(told(after.apply({ type: 'cancel', by: 'user', at: 25 }))).toEqual([
      '10 job-started #1',
      '20 job-retried #1',
      '25 job-ended #1',
    ]);
  });

  test('of a job cancelled with its whole batch come with the time of that', () => {
    const untouched: Job = {
      ...freshJob('queued', 7),
      status: 'ended',
      outcome: { kind: 'cancelled', by: 'user' },
      endedAt: 7,
      usage: noUsage,
      output: noOutput,
    };
    const facts = {
      id: 'b7.3',
      job: untouched,
      history: [],
      excused: new Set<number>(),
      nodeName: String,
      startNode: () => undefined,
      cancelledAt: 99,
    };
    expect(jobEvents(facts)).toMatchObject([{ event: { at: 99, type: 'job-ended' } }]);
  });

  test('are the same when they are told one by one as it happens', () => {
    const kept = new Kept();
    const live: string[] = [];
    let rank = 0;
    const look = (): void => {
      for (const { rank: next, event } of kept.events(rank)) {
        if (next <= rank) continue;
        rank = next;
        live.push(`${event.at} ${event.type} #${event.attempt}`);
      }
    };
    const steps: (() => void)[] = [
      () => kept.apply({ type: 'lease', node: 1 }),
      () => kept.apply({ type: 'start', attempt: 1, at: 10, launcher: 'plain' }),
      () => kept.end(20, failed).apply({ type: 'retry', at: 25 }),
      () => kept.run(30),
      () => kept.end(40, failed),
      () => kept.apply({ type: 'rerun', at: 50 }),
      () => kept.apply({ type: 'lease', node: 2 }),
      () => kept.apply({ type: 'start', attempt: 3, at: 60, launcher: 'plain' }),
      () => kept.apply({ type: 'lose', attempt: 3, at: 70 }),
      () => kept.run(80).end(90, failed).apply({ type: 'retry', at: 95 }),
      () => kept.apply({ type: 'cancel', by: 'user', at: 100 }),
      () => kept.apply({ type: 'rerun', at: 110 }),
      () => kept.run(120),
    ];
    for (const step of steps) {
      step();
      look();
      look();
    }
    expect(live).toEqual([
      '10 job-started #1',
      '20 job-retried #1',
      '30 job-started #2',
      '40 job-ended #2',
      '50 job-rerun #2',
      '60 job-started #3',
      '70 job-lost #3',
      '80 job-started #4',
      '90 job-retried #4',
      '100 job-ended #4',
      '110 job-rerun #4',
      '120 job-started #5',
    ]);
  });
});
