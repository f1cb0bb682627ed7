import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { childrenObstacle } from '@omx/launch';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { until } from '../../../../../test/kit/until.ts';
import { Attempts } from '../../../src/attempt.ts';
import { jobFolder } from '../../../src/job-folders.ts';
import { AwayChildren } from '../../../src/moving/children/away-children.ts';
import { AwayJournal, type AwayNote } from '../../../src/moving/children/away-journal.ts';
import { usedElsewhere } from '../../../src/moving/children/elsewhere.ts';

const obstacle = childrenObstacle();
const here = obstacle === undefined ? {} : { skip: true, meta: { skipReason: obstacle } };
const files = { batch: 'b7', index: 1, number: 1 } as const;
const child = 'b7.1#1-12-34';

let dir: string;
let original: ChildProcess;
let ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
let note: AwayNote;
let journal: AwayJournal;
/** What the guest was asked, in this order. */
let asked: unknown[];
let [mayRun, leaseLeftMs] = [true, 60_000];
const opened: AwayChildren[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'omx-away-'));
  mkdirSync(join(jobFolder(dir, files), '.capsule'), { recursive: true });
  for (const name of ['out', 'err']) writeFileSync(join(jobFolder(dir, files), name), 'before\n');
  [asked, mayRun, leaseLeftMs] = [[], true, 60_000];
  original = spawn('sleep', ['1000'], { stdio: 'ignore' });
  ended = new Promise((resolve) => original.once('exit', (code, signal) => resolve({ code, signal })));
  await until(() => stat().name === 'sleep');
  original.kill('SIGSTOP');
  await until(() => stat().state === 'T');
  journal = new AwayJournal(dir);
  note = {
    ...{ child, key: 'b7.1#1', batch: 'b7', ordinal: 0, attempt: 1, guest: 'n2', known: '0' },
    ...{ pid: original.pid ?? 0, startTicks: stat().start },
  };
  journal.write(note);
});
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  vi.useRealTimers();
  original.kill('SIGKILL');
  await ended;
  rmSync(dir, { recursive: true, force: true });
});

function stat(): { readonly name: string; readonly state: string; readonly start: number } {
  const [, name = '', rest = ''] =
    /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${original.pid}/stat`, 'latin1')) ?? [];
  const fields = rest.split(' ');
  return { name, state: fields[0] ?? '', start: Number(fields[19]) };
}

/** The home's side, with a guest that has these outputs. */
function open(outputs: Partial<Record<string, string>> = {}): AwayChildren {
  const away = new AwayChildren({
    ...{ nodeDir: dir, attempts: new Attempts(), journal, log: pino({ level: 'silent' }) },
    leaseLeftMs: () => leaseLeftMs,
    mayRun: () => mayRun,
    asker: {
      askJson: async (node: string, request: object) => {
        asked.push({ node, ...request });
        if (!('stream' in request)) return { done: true } as never;
        const text = outputs[String(request.stream)];
        if (text === undefined) throw new Error('nobody answers');
        return { base64: Buffer.from(text).toString('base64'), isLast: true } as never;
      },
    },
  });
  opened.push(away);
  return away;
}

const ask = (away: AwayChildren, state: 'waiting' | 'running' | 'ended' | 'lost', more: object = {}, node = 'n2') =>
  away.answer({ type: 'children', node, children: [{ child, state, ...more }] }).orders[0];

test(
  'a copy may run only once its original is held, only where it was sent, and only as long as the lease lasts',
  here,
  async () => {
    const away = open();
    expect(ask(away, 'waiting')).toEqual({ do: 'drop' });
    away.expect(child, 'n2');
    expect(ask(away, 'waiting')).toEqual({ do: 'wait' });
    expect(await away.take(note)).toBe(true);
    expect(stat().state).toBe('t');
    expect(ask(away, 'waiting')).toEqual({ do: 'run', forMs: 5000 });
    expect(ask(away, 'running', {}, 'n3')).toEqual({ do: 'drop' });
    leaseLeftMs = 1200;
    expect(ask(away, 'running')).toEqual({ do: 'run', forMs: 1200 });
    leaseLeftMs = 0;
    expect(ask(away, 'running')).toEqual({ do: 'wait' });
  },
);

test('the original goes on when the time of its copy is over for sure, and not before it may', here, async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const away = open();
  await away.take(note);
  ask(away, 'waiting');
  vi.advanceTimersByTime(6900);
  away.look();
  expect(stat().state).toBe('t');
  mayRun = false;
  vi.advanceTimersByTime(200);
  away.look();
  expect(stat().state).toBe('t');
  mayRun = true;
  away.look();
  vi.useRealTimers();
  await until(() => stat().state === 'S');
  await until(() => asked.length > 0);
  expect(asked).toEqual([{ node: 'n2', type: 'drop-child', child }]);
  expect(journal.takeUp()).toEqual([]);
});

test('the original ends as its copy did, with its output and its usage', here, async () => {
  const away = open({ out: 'of the copy\n', err: '' });
  await away.take(note);
  const usage = { userUs: 70, sysUs: 7, maxRssKib: 700 };
  expect(ask(away, 'ended', { end: { exitCode: 9, usage } })).toEqual({ do: 'wait' });
  expect(await ended).toEqual({ code: 9, signal: null });
  expect(readFileSync(join(jobFolder(dir, files), 'out'), 'utf8')).toBe('before\nof the copy\n');
  expect(readFileSync(join(jobFolder(dir, files), 'err'), 'utf8')).toBe('before\n');
  expect(usedElsewhere(jobFolder(dir, files))).toEqual(usage);
  await until(() => journal.takeUp().length === 0);
  expect(ask(away, 'ended')).toEqual({ do: 'drop' });
});

test.each([
  ['was killed there', 'lost', {}, {}],
  [
    'was killed by SIGKILL',
    'ended',
    { end: { signal: 9, usage: { userUs: 1, sysUs: 1, maxRssKib: 1 } } },
    { out: 'x', err: '' },
  ],
  [
    'has output that cannot be had',
    'ended',
    { end: { exitCode: 0, usage: { userUs: 1, sysUs: 1, maxRssKib: 1 } } },
    { out: 'x' },
  ],
] as const)('a copy that %s was never there', here, async (_, state, end, outputs) => {
  const away = open(outputs);
  await away.take(note);
  ask(away, state, end);
  await until(() => stat().state === 'S');
  expect(readFileSync(join(jobFolder(dir, files), 'out'), 'utf8')).toBe('before\n');
});

test('the next worker takes up what was stopped; what went on by itself is forgotten', here, async () => {
  const first = open();
  await first.take(note);
  await first.close();
  const next = open();
  await next.recover();
  expect(stat().state).toBe('t');
  expect(ask(next, 'running')).toMatchObject({ do: 'run' });
  await next.close();
  await until(() => stat().state === 'T');
  // As it was before its original was stopped for good.
  journal.write(note);
  original.kill('SIGCONT');
  await until(() => stat().state === 'S');
  const last = open();
  await last.recover();
  expect(stat().state).toBe('S');
  expect(ask(last, 'running')).toEqual({ do: 'drop' });
});

test('signals that are sent to the original are told to the guest once, also over workers', here, async () => {
  const away = open();
  await away.take(note);
  original.kill('SIGUSR1');
  await until(() => asked.length > 0);
  expect(asked).toEqual([{ node: 'n2', type: 'signal-child', child, signals: [10] }]);
  expect(journal.takeUp()).toMatchObject([{ known: '200' }]);
});

const tracer = (): number =>
  Number(/^TracerPid:\t(\d+)$/m.exec(readFileSync(`/proc/${original.pid}/status`, 'latin1'))?.[1]);

test('an original whose holder is killed alone is held again', here, async () => {
  const away = open();
  await away.take(note);
  const holder = tracer();
  process.kill(holder, 'SIGKILL');
  await until(() => ![0, holder].includes(tracer()) && stat().state === 't');
  await until(() => ask(away, 'running')?.do === 'run');
});

test('where it has gone on since, its copy is dropped', here, async () => {
  const away = open();
  await away.take(note);
  // It is held all the same, and goes on with the death of its holder.
  original.kill('SIGCONT');
  await until(() => asked.length > 0);
  process.kill(tracer(), 'SIGKILL');
  await until(() => asked.length > 1);
  expect(asked.at(-1)).toEqual({ node: 'n2', type: 'drop-child', child });
  expect(stat().state).toBe('S');
  expect(ask(away, 'running')).toEqual({ do: 'drop' });
});
