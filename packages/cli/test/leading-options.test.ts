import { expect, test } from 'vitest';

import { commandFirst } from '../src/leading-options.ts';

test.each([
  ['', 'status'],
  ['--json', 'status --json'],
  ['jobs b7', 'jobs b7'],
  ['--redis u jobs b7', 'jobs --redis u b7'],
  ['--redis=u --json submit -- x', 'submit --redis=u --json -- x'],
  ['--help', '--help'],
  ['--redis', '--redis'],
])("'%s' is read as '%s'", (typed, read) => {
  expect(commandFirst(typed.split(' ').filter((word) => word !== '')).join(' ')).toBe(read);
});
