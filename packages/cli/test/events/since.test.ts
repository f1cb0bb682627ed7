import { isOmxError } from '@omx/core';
import { expect, test } from 'vitest';

import { parseSince } from '../../src/events/since.ts';

const now = Date.parse('2026-11-22T10:00:00Z');

test('--since takes a while ago, a time of day and now', () => {
  expect(parseSince('10m', now)).toBe(now - 600_000);
  expect(parseSince('now', now)).toBe(now);
  expect(parseSince('2026-11-22T09:30:00Z', now)).toBe(Date.parse('2026-11-22T09:30:00Z'));
  expect(parseSince('2026-11-22 09:30', now)).toBe(new Date(2026, 10, 22, 9, 30).getTime());
  expect(parseSince('2026-11-22', now)).toBe(new Date(2026, 10, 22).getTime());
});

test.each(['yesterday', '2026-13-45', '-10m', ''])("--since '%s' is refused with what to write", (text) => {
  expect(() => parseSince(text, now)).toThrow(
    expect.toSatisfy((error: unknown) => isOmxError(error) && error.exitCode === 2 && /10m/.test(error.hint ?? '')),
  );
});
