import { bytesOf, defaultLimits, freshJob, type Job, type NodeInfo, type Outcome } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { endedReasons, type EndedFacts } from '../../src/why/ended.ts';
import { exitCodeMeaning } from '../../src/why/exit-code.ts';
import { notesOfJob } from '../../src/why/notes.ts';
import { type RunningFacts, runningReasons } from '../../src/why/running.ts';
import { heldReasons, queuedReasons, type WaitingFacts } from '../../src/why/waiting.ts';
import { batchOf, endedJob, specOf, submittedAt } from '../watching-kit.ts';

const now = submittedAt + 10_000;
const running: RunningFacts['job'] = {
  ...freshJob('queued', submittedAt),
  attempt: 1,
  status: 'running',
  node: 1,
  startedAt: submittedAt,
  launcher: 'plain',
};

function nodeOf(more: Partial<NodeInfo> = {}): NodeInfo {
  const slots = more.slots ?? 4;
  return {
    name: 'n1',
    role: 'both',
    state: 'up',
    reason: '',
    slots,
    maxSlots: slots,
    running: 0,
    load: 0,
    externalLoad: 0,
    busy: 0,
    cpus: 4,
    speed: 0,
    arch: 'x64',
    memTotal: 0,
    memFree: 0,
    launchers: ['plain'],
    labels: {},
    lastSeen: now,
    identity: 'n1',
    pid: 1,
    shepherdPid: 2,
    version: '1',
    leaseMs: 12_000,
    onLost: 'pause',
    place: 'here',
    clockOffsetMs: 0,
    account: { user: 'ann', uid: 1000, gid: 1000 },
    fileLimit: 1024,
    address: '127.0.0.1',
    ...more,
  };
}

describe('an ended job', () => {
  const reasons = (outcome: Outcome, more: Partial<EndedFacts> = {}): string => {
    const facts = { id: 'b7.7', job: endedJob(outcome), node: 'n1', spec: specOf(), argv: [bytesOf('x')] };
    return endedReasons({
      ...facts,
      cancelNote: undefined,
      path: '/bin',
      programInCwd: false,
      lastWords: undefined,
      ...more,
    }).join('\n');
  };

  test.each<[string, Outcome, Partial<EndedFacts>, RegExp]>([
    ['succeeded', { kind: 'succeeded' }, {}, /^it succeeded on n1 after 2s$/],
    ['a command a shell did not find', { kind: 'exited', code: 127 }, {}, /found no such command/],
    ['a shell’s killed command', { kind: 'exited', code: 137 }, {}, /128\+9.*SIGKILL.*memory/],
    ['a crash', { kind: 'signalled', signal: 11 }, {}, /SIGSEGV[^]*a bug of the program/],
    [
      'a time limit',
      { kind: 'timed-out' },
      { spec: specOf({ limits: { ...defaultLimits, timeMs: 3_600_000 } }) },
      /limit is 1h.*--set time=/,
    ],
    [
      'a memory limit',
      { kind: 'oom' },
      { spec: specOf({ limits: { ...defaultLimits, memBytes: 2 ** 31 } }) },
      /2GiB[^]*--set mem=4GiB/,
    ],
    [
      'a missing program',
      { kind: 'not-started', reason: 'no-such-program' },
      {},
      /the program is x; the PATH there: \/bin/,
    ],
    [
      'a program in the working directory',
      { kind: 'not-started', reason: 'no-such-program' },
      { programInCwd: true },
      /did you mean \.\/x\?/,
    ],
    [
      'a whole line as program',
      { kind: 'not-started', reason: 'no-such-program' },
      { argv: [bytesOf('echo hi')] },
      /--shell/,
    ],
    ['a missing directory', { kind: 'not-started', reason: 'no-such-cwd' }, {}, /\/home\/ann/],
    ['lost', { kind: 'lost' }, {}, /was lost with the node/],
    [
      'cancelled with its batch',
      { kind: 'cancelled', by: 'user' },
      { cancelNote: 'cancelled by omx cancel: wrong input' },
      /^it was cancelled by omx cancel: wrong input/,
    ],
    ['its last words', { kind: 'exited', code: 9 }, { lastWords: 'no licence' }, /last line of its stderr: no licence/],
  ])('%s', (_name, outcome, more, expected) => {
    expect(reasons(outcome, more)).toMatch(expected);
  });

  test('retries used and not used', () => {
    const spec = specOf({ limits: { ...defaultLimits, retries: 3 } });
    expect(
      reasons({ kind: 'exited', code: 1 }, { spec, job: endedJob({ kind: 'exited', code: 1 }, { retries: 3 }) }),
    ).toContain('all 3 retries are used');
    expect(reasons({ kind: 'exited', code: 1 }, { spec })).toContain('0 of 3 retries used');
  });

  test('exit codes only the program knows have no meaning', () => {
    expect(exitCodeMeaning(42)).toBeUndefined();
  });
});

describe('a queued job', () => {
  const reasons = (more: Partial<WaitingFacts>): string => {
    const spec = more.spec ?? specOf();
    return queuedReasons({
      id: 'b7.7',
      job: freshJob('queued', submittedAt),
      batch: batchOf(spec),
      spec,
      nodes: [nodeOf()],
      active: 0,
      dependencies: [],
      now,
      ...more,
    }).join('\n');
  };

  test.each<[string, Partial<WaitingFacts>, RegExp]>([
    ['no node at all', { nodes: [] }, /no node has joined/],
    ['none up', { nodes: [nodeOf({ state: 'down' })] }, /no node takes jobs: n1 is down/],
    ['all busy', { nodes: [nodeOf({ running: 4 })] }, /all 4 slots of n1 are busy/],
    ['an unknown node', { spec: specOf({ nodes: ['gpu1'] }) }, /gpu1.*never joined/],
    ['a label no node has', { spec: specOf({ labels: { gpu: 'yes' } }) }, /gpu=yes/],
    [
      'more cpus than any node has',
      { spec: specOf({ limits: { ...defaultLimits, cpus: 8 } }) },
      /8 slots.*more than any node has: n1 has 4/,
    ],
    ['the throttle', { spec: specOf({ throttle: 2 }), active: 2 }, /at most 2 of the jobs/],
    ['a retry', { job: { ...freshJob('queued', now + 5000), retries: 1, attempt: 1 } }, /retry 1 of 0 until .* in 5s/],
    ['its turn', {}, /its turn next: n1 has room/],
  ])('%s', (_name, more, expected) => {
    expect(reasons(more)).toMatch(expected);
  });
});

describe('a held job', () => {
  const reasons = (
    batch: ReturnType<typeof batchOf>,
    dependencies: string[] = [],
    job: Job = freshJob('held', submittedAt),
  ): string =>
    heldReasons({ id: 'b7.7', job, batch, spec: batch.spec, nodes: [], active: 0, dependencies, now }).join('\n');

  test('since its submit', () => {
    expect(reasons(batchOf({ hold: true }, { untouched: 'held' }))).toMatch(/--hold.*omx release b7\.7/);
  });

  test('for another batch', () => {
    const batch = batchOf({ after: [{ selector: 'b6', on: 'ok' }] }, { untouched: 'held' });
    expect(reasons(batch, ['b6 is running, 12/40 done'])).toBe(
      'it waits for b6 to end well (--after)\nb6 is running, 12/40 done',
    );
  });

  test('by a user', () => {
    expect(reasons(batchOf())).toBe('it is held (omx hold); omx release b7.7 lets it go');
  });
});

test('a running job: where, why there, and who may move it', () => {
  const text = runningReasons({ id: 'b7.7', job: running, node: 'n1', info: nodeOf(), spec: specOf(), now }).join('\n');
  expect(text).toMatch(/runs on n1.*10s ago \(attempt 1\)[^]*launcher plain: nobody can migrate it/);
});

test('a running job that nobody can move, and what would have made it movable', () => {
  const line = (spec: ReturnType<typeof specOf>, launchers: NodeInfo['launchers']): string =>
    runningReasons({ id: 'b7.7', job: running, node: 'n1', info: nodeOf({ launchers }), spec, now })
      .filter((reason) => reason.startsWith('launcher plain: nobody can migrate it'))
      .join();
  expect(line(specOf(), ['plain', 'criu'])).toMatch(/\(auto: with --launcher criu omx could move it\)$/);
  expect(line(specOf(), ['plain'])).toMatch(/\(auto: n1 has no other launcher; omx doctor says why\)$/);
  expect(line(specOf({ checkpointMs: 1000 }), ['plain'])).toMatch(/n1 has no criu, which --checkpoint-every would/);
  expect(line(specOf({ launcher: 'plain' }), ['plain', 'criu'])).toMatch(/until it ends$/);
});

test('a queued job that only some nodes, or none, could start', () => {
  const reasons = (...nodes: NodeInfo[]): string => {
    const spec = specOf({ launcher: 'criu' });
    const facts = { id: 'b7.7', job: freshJob('queued', submittedAt), batch: batchOf(spec), spec, nodes };
    return queuedReasons({ ...facts, active: 0, dependencies: [], now }).join('\n');
  };
  const able = nodeOf({ name: 'n2', launchers: ['plain', 'criu'] });
  expect(reasons(nodeOf(), { ...able, running: able.slots })).toMatch(/slots of n2 are busy/);
  expect(reasons(nodeOf(), { ...able, state: 'down' })).toMatch(/n2 is down \(it asks for --launcher criu\)/);
  expect(reasons(nodeOf())).toMatch(/no node that could run it has the launcher criu; omx doctor/);
  expect(reasons(able)).not.toMatch(/launcher/);
  const trying = nodeOf({ name: 'n3', trying: ['criu'] });
  expect(reasons(nodeOf(), trying)).toBe('it needs the launcher criu, and n3 still tries out whether that works there');
  expect(reasons(trying, able)).not.toMatch(/tries/);
});

describe('a frozen job', () => {
  const reasons = (job: Partial<RunningFacts['job']>): string =>
    runningReasons({
      ...{ id: 'b7.7', node: 'n2', info: nodeOf({ name: 'n2' }), spec: specOf(), now },
      job: { ...running, launcher: 'criu', ...job } as RunningFacts['job'],
    }).join('\n');

  test.each<[string, Partial<RunningFacts['job']>, RegExp]>([
    ['by its user', { status: 'frozen', wish: 'freeze' }, /is frozen on n2[^]*omx pause --freeze.*omx resume b7\.7/],
    ['that is about to be', { wish: 'freeze' }, /runs on n2[^]*the node is making an image/],
    ['on its way', { status: 'frozen' }, /is frozen on n2[^]*it is being moved/],
    ['that is paused there', { status: 'frozen', wish: 'pause' }, /it is being moved/],
  ])('%s', (_name, job, expected) => {
    expect(reasons(job)).toMatch(expected);
  });

  test('that has moved is not where there was room first', () => {
    expect(reasons({ moves: 2 })).toMatch(/it has moved 2 times/);
    expect(reasons({ moves: 2 })).not.toMatch(/had room first/);
    expect(reasons({})).toMatch(/n2 had room first/);
  });
});

test('notes that are about the job', () => {
  const notes = [
    'T b7.7#1 on n1: no mosrun',
    'T b7.71#1 on n1: no mosrun',
    'T cancelled by omx cancel: why not',
    'T 3 of its jobs were freed: gone',
  ];
  expect(notesOfJob(notes, 'b7.7', running)).toEqual([notes[0]]);
  expect(notesOfJob(notes, 'b7.8', endedJob({ kind: 'cancelled', by: 'user' }))).toEqual([notes[2]]);
  expect(notesOfJob(notes, 'b7.8', { ...running, crashes: 1 })).toEqual([notes[3]]);
  // An attempt that went with its node before its start was on record.
  expect(notesOfJob(notes, 'b7.8', { ...running, attempt: 2 })).toEqual([notes[3]]);
  expect(notesOfJob(notes, 'b7.8', { ...freshJob('queued', now), attempt: 1 })).toEqual([notes[3]]);
  expect(notesOfJob(notes, 'b7.8', freshJob('queued', now))).toEqual([]);
});
