import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { crashLimit, freshJob, type Job, noOutput } from '../src/job.ts';
import { applyEvent, isIllegal, type JobEvent } from '../src/transition.ts';
import { noUsage } from '../src/usage.ts';

const base = { attempt: 2, retries: 1, crashes: 0, moves: 0, wish: 'none', queuedAt: 1000 } as const;
const started = { startedAt: 2000, launcher: 'plain', node: 4 } as const;
const jobs = {
  queued: { ...base, status: 'queued' },
  held: { ...base, status: 'held' },
  leased: { ...base, status: 'leased', node: 4 },
  running: { ...base, ...started, status: 'running' },
  paused: { ...base, ...started, status: 'paused' },
  frozen: { ...base, ...started, status: 'frozen' },
  succeeded: {
    ...base,
    ...started,
    status: 'ended',
    outcome: { kind: 'succeeded' },
    endedAt: 3000,
    usage: noUsage,
    output: noOutput,
  },
  failed: {
    ...base,
    ...started,
    status: 'ended',
    outcome: { kind: 'exited', code: 3 },
    endedAt: 3000,
    usage: noUsage,
    output: noOutput,
  },
} satisfies Record<string, Job>;

const events = {
  hold: { type: 'hold' },
  release: { type: 'release' },
  lease: { type: 'lease', node: 9 },
  'give-back': { type: 'give-back' },
  start: { type: 'start', attempt: 2, at: 2500, launcher: 'mosrun' },
  pause: { type: 'pause' },
  resume: { type: 'resume' },
  freeze: { type: 'freeze', attempt: 2 },
  thaw: { type: 'thaw', attempt: 2 },
  move: { type: 'move', attempt: 2, node: 9 },
  wish: { type: 'wish', wish: 'cancel' },
  end: { type: 'end', attempt: 2, at: 3500, outcome: { kind: 'exited', code: 1 }, usage: noUsage, output: noOutput },
  retry: { type: 'retry', at: 4000 },
  requeue: { type: 'requeue', attempt: 2, at: 4000 },
  lose: { type: 'lose', attempt: 2, at: 4000 },
  cancel: { type: 'cancel', by: 'user', at: 4000 },
  rerun: { type: 'rerun', at: 4000 },
  excuse: { type: 'excuse', attempt: 2, retries: 1, at: 4000 },
} satisfies Record<JobEvent['type'], JobEvent>;

/** Every state × event: the status after it, or '-' where it is refused. */
const table: Record<keyof typeof jobs, Partial<Record<JobEvent['type'], string>>> = {
  queued: { hold: 'held', lease: 'leased', cancel: 'ended', excuse: 'queued' },
  held: { release: 'queued', cancel: 'ended', excuse: 'held' },
  leased: { 'give-back': 'queued', start: 'running', wish: 'leased', end: 'ended', requeue: 'queued', lose: 'queued' },
  running: { pause: 'paused', freeze: 'frozen', wish: 'running', end: 'ended', requeue: 'queued', lose: 'queued' },
  paused: { resume: 'running', freeze: 'frozen', wish: 'paused', end: 'ended', requeue: 'queued', lose: 'queued' },
  frozen: { thaw: 'running', move: 'running', wish: 'frozen', end: 'ended', requeue: 'queued', lose: 'queued' },
  succeeded: { rerun: 'queued' },
  failed: { rerun: 'queued', retry: 'queued', excuse: 'queued' },
};

describe('every state × event', () => {
  for (const state of Object.keys(jobs) as (keyof typeof jobs)[]) {
    for (const type of Object.keys(events) as JobEvent['type'][]) {
      const expected = table[state][type] ?? '-';
      test(`${state} + ${type} → ${expected}`, () => {
        const after = applyEvent(jobs[state], events[type]);
        expect(isIllegal(after) ? '-' : after.status).toBe(expected);
      });
    }
  }
});

test('an attempt that is not the newest cannot start, end, be queued again, be lost, be frozen or move', () => {
  for (const type of ['start', 'end', 'requeue', 'lose', 'freeze', 'thaw', 'move'] as const) {
    for (const job of [jobs.leased, jobs.running, jobs.frozen]) {
      expect(applyEvent(job, { ...events[type], attempt: 1 })).toHaveProperty('illegal', true);
      expect(applyEvent(job, { ...events[type], attempt: 3 })).toHaveProperty('illegal', true);
    }
  }
});

describe('a frozen job', () => {
  test('that moves goes on at the other node in the same attempt, and the move is counted', () => {
    const moved = applyEvent({ ...jobs.frozen, moves: 3 }, events.move);
    expect(moved).toEqual({ ...jobs.running, moves: 4, node: 9 });
  });

  test('cannot move to the node it is on', () => {
    expect(applyEvent(jobs.frozen, { ...events.move, node: 4 })).toHaveProperty('illegal', true);
  });

  test.each(['thaw', 'move'] as const)('whose user wants it paused is paused after %s', (type) => {
    expect(applyEvent({ ...jobs.frozen, wish: 'pause' }, events[type])).toHaveProperty('status', 'paused');
    for (const wish of ['none', 'cancel', 'freeze'] as const)
      expect(applyEvent({ ...jobs.frozen, wish }, events[type])).toHaveProperty('status', 'running');
  });

  test('keeps where and when it was started, and its user’s wish', () => {
    const job: Job = { ...jobs.paused, wish: 'pause', moves: 1 };
    expect(applyEvent(job, events.freeze)).toEqual({ ...job, status: 'frozen' });
    expect(applyEvent(jobs.frozen, { type: 'wish', wish: 'freeze' })).toEqual({ ...jobs.frozen, wish: 'freeze' });
  });

  test('counts its moves anew with the next attempt', () => {
    const again = applyEvent({ ...jobs.frozen, moves: 2 }, events.requeue) as Job;
    expect(applyEvent(again, events.lease)).toMatchObject({ moves: 0, attempt: 3 });
  });
});

test('a lease begins a new attempt, giving it back unstarted takes it away again', () => {
  const leased = applyEvent(freshJob('queued', 0), { type: 'lease', node: 1 }) as Job;
  expect(leased.attempt).toBe(1);
  expect(applyEvent(leased, { type: 'give-back' })).toMatchObject({ attempt: 0, status: 'queued' });
});

test('node deaths use up the crash limit and no retries; then the job is lost', () => {
  let job = freshJob('queued', 0);
  for (let crash = 1; crash <= crashLimit; crash += 1) {
    job = applyEvent(job, { type: 'lease', node: 1 }) as Job;
    job = applyEvent(job, { type: 'lose', attempt: job.attempt, at: crash }) as Job;
    expect(job.retries).toBe(0);
  }
  expect(job).toMatchObject({ status: 'ended', outcome: { kind: 'lost' }, crashes: crashLimit });
});

test.each(['give-back', 'requeue', 'lose'] as const)('a job its user cancelled does not come back by %s', (type) => {
  const asked = applyEvent(jobs.leased, events.wish) as Job;
  expect(applyEvent(asked, events[type])).toMatchObject({
    status: 'ended',
    outcome: { kind: 'cancelled', by: 'user' },
  });
});

test('a rerun starts retries and crashes anew and goes on counting attempts', () => {
  const again = applyEvent({ ...jobs.failed, crashes: 3 }, events.rerun) as Job;
  expect(again).toMatchObject({ attempt: 2, retries: 0, crashes: 0, status: 'queued', queuedAt: 4000 });
});

describe('an attempt that is excused', () => {
  test('leaves the job queued at once, with the retries it had before', () => {
    expect(applyEvent(jobs.failed, { ...events.excuse, retries: 0 })).toMatchObject({ retries: 1, queuedAt: 4000 });
    expect(applyEvent({ ...jobs.failed, retries: 3 }, { ...events.excuse, retries: 2 })).toMatchObject({ retries: 1 });
    const waiting = { ...jobs.queued, retries: 2, queuedAt: 90_000 };
    expect(applyEvent(waiting, events.excuse)).toEqual({ ...waiting, retries: 1, queuedAt: 4000 });
  });

  test('must be the newest, and of a queued job one that has cost a retry', () => {
    expect(applyEvent(jobs.failed, { ...events.excuse, attempt: 1 })).toHaveProperty('illegal', true);
    expect(applyEvent(jobs.queued, { ...events.excuse, attempt: 1 })).toHaveProperty('illegal', true);
    expect(applyEvent(jobs.queued, { ...events.excuse, retries: 0 })).toHaveProperty('illegal', true);
    expect(applyEvent({ ...jobs.queued, retries: 0 }, events.excuse)).toHaveProperty('illegal', true);
  });
});

test('the end keeps the start it was told of, and needs none', () => {
  expect(applyEvent(jobs.running, events.end)).toMatchObject({ startedAt: 2000, node: 4 });
  expect(applyEvent(jobs.leased, events.end)).not.toHaveProperty('startedAt');
});

test('whatever happens in whatever order: attempts never fall below an ended one, and outcomes come from ends', () => {
  const anyEvent = fc.constantFrom(...Object.values(events));
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), (sequence) => {
      let job = freshJob('queued', 0);
      let newestEnded = 0;
      for (const event of sequence) {
        // Events of attempts are about the attempt there is, as a node would send them.
        const after = applyEvent(job, 'attempt' in event ? { ...event, attempt: job.attempt } : event);
        if (isIllegal(after)) continue;
        job = after;
        if (job.status === 'ended') newestEnded = Math.max(newestEnded, job.attempt);
        expect(job.attempt).toBeGreaterThanOrEqual(newestEnded);
      }
    }),
  );
});
