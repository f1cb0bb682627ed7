import type { EndedEvent, RefusedEvent } from '@omx/launch';
import { expect, test } from 'vitest';

import { outcomeOfEnd, refusalReason } from '../src/ending.ts';

const end: EndedEvent = {
  type: 'ended',
  key: 'b1.1#1',
  pid: 1,
  startedAt: 0,
  endedAt: 5,
  reason: 'none',
  usage: { userUs: 0, sysUs: 0, maxRssKib: 0 },
  oomKilled: false,
  outBytes: 0,
  errBytes: 0,
  truncated: false,
};

test.each<[Partial<EndedEvent>, object]>([
  [{ exitCode: 0 }, { kind: 'succeeded' }],
  [{ exitCode: 3 }, { kind: 'exited', code: 3 }],
  [{ signal: 11 }, { kind: 'signalled', signal: 11 }],
  [{ signal: 9, oomKilled: true }, { kind: 'oom' }],
  [{ signal: 15, reason: 'timeout' }, { kind: 'timed-out' }],
  [{ exitCode: 0, reason: 'timeout' }, { kind: 'timed-out' }],
  [{ signal: 9, reason: 'oom' }, { kind: 'oom' }],
  [
    { signal: 15, reason: 'cancel' },
    { kind: 'cancelled', by: 'user' },
  ],
])('%j → %j', (event, outcome) => {
  expect(outcomeOfEnd({ ...end, ...event }, undefined, 'plain')).toEqual(outcome);
});

test('a mosrun that could not start the program is no failure of the program', () => {
  const refused = {
    ...end,
    exitCode: 1,
    output: { out: Buffer.alloc(0), err: Buffer.from('mosrun: node 7 is down\n') },
  };
  expect(outcomeOfEnd(refused, undefined, 'mosrun')).toEqual({ kind: 'not-started', reason: 'launcher-unavailable' });
  expect(outcomeOfEnd(refused, undefined, 'plain')).toEqual({ kind: 'exited', code: 1 });
});

test.each<[RefusedEvent['stage'], string, string | undefined]>([
  ['exec', 'ENOENT', 'no-such-program'],
  ['exec', 'EACCES', 'not-executable'],
  ['exec', 'ENOEXEC', 'no-interpreter'],
  ['exec', 'E2BIG', 'too-long'],
  ['cwd', 'ENOENT', 'no-such-cwd'],
  ['stdin', 'EACCES', 'no-such-stdin'],
  ['fork', 'EAGAIN', undefined],
  ['output', 'ENOSPC', undefined],
  ['output', 'EMFILE', undefined],
  ['output', 'EACCES', 'other'],
  ['lease', 'ECANCELED', undefined],
])('refused at %s with %s: %s', (stage, errno, reason) => {
  expect(refusalReason({ type: 'refused', key: 'b1.1#1', stage, errno, at: 0 })).toBe(reason);
});
