import { type BatchSpec, bytesOf } from '@omx/core';
import { describe, expect, it } from 'vitest';

import { checkNewArguments, splitAtDashes } from '../../src/acting/new-arguments.ts';
import { batchOf } from './kit.ts';

describe('splitAtDashes', () => {
  it.each([
    [['b7'], ['rerun', 'b7', '--json'], ['b7'], undefined],
    [['b7', '-x', '{}'], ['rerun', 'b7', '--set', 'mem=1G', '--', '-x', '{}'], ['b7'], ['-x', '{}']],
    [['a', '--', 'b'], ['rerun', '--', 'a', '--', 'b'], [], ['a', '--', 'b']],
    [['b7'], ['rerun', 'b7', '--'], ['b7'], []],
  ])('%j of %j', (words, typed, before, after) => {
    expect(splitAtDashes(words, typed)).toEqual({ before, after });
  });
});

describe('checkNewArguments', () => {
  it('takes what the jobs offer', () => {
    expect(() => checkNewArguments(batchOf(), [bytesOf('{}'), bytesOf('{index}')])).not.toThrow();
  });

  it.each<[string, Partial<BatchSpec>, string, RegExp]>([
    ['an unknown placeholder', {}, '{nobody}', /\{nobody\}/],
    ['commands of their own', { jobs: { kind: 'commands', count: 2 }, command: [] }, 'x', /a command of its own/],
    ['a line of sh', { shell: true, command: [bytesOf('echo a; echo b')] }, 'x', /a line of sh/],
  ])('refuses %s', (_name, spec, arg, message) => {
    expect(() => checkNewArguments(batchOf({}, spec), [bytesOf(arg)])).toThrow(message);
  });
});
