import { Buffer } from 'node:buffer';
import { execPath } from 'node:process';
import { bytesOf } from '@omx/core';
import { expect, test } from 'vitest';
import { readElf } from '../../src/mosrun/elf.ts';
import { programInspector, type OpenFile } from '../../src/mosrun/preflight.ts';
import { treeOf } from '../fixture.ts';
import { elfFile } from './elf-file.ts';

/** An inspector over files in memory, which counts how often one is looked into. */
function over(files: Readonly<Record<string, Uint8Array | string>>) {
  const looks: string[] = [];
  const open: OpenFile = (path) => {
    const content = files[path];
    if (content === undefined) return undefined;
    const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
    const read = (offset: number, length: number): Buffer => {
      if (offset === 0) looks.push(path);
      return bytes.subarray(offset, offset + length);
    };
    return { stamp: String(bytes.length), read, close: () => undefined };
  };
  const inspect = programInspector(open);
  return {
    looks,
    look: (program: string) =>
      inspect({ program: bytesOf(program), cwd: bytesOf('/work'), path: bytesOf('relative:/none:/bin') }),
  };
}

const shapes = [
  { bits: 64, order: 'LE' },
  { bits: 64, order: 'BE' },
  { bits: 32, order: 'LE' },
  { bits: 32, order: 'BE' },
] as const;

test.each(shapes)('an ELF file of $bits bits, $order', (shape) => {
  const file = elfFile({ ...shape, needed: ['libm.so.6', 'libc.so.6'], symbols: ['printf', 'pthread_create'] });
  const elf = readElf((offset, length) => file.subarray(offset, offset + length));
  expect(elf?.needed).toEqual(['libm.so.6', 'libc.so.6']);
  expect(elf?.mentions('pthread_create')).toBe(true);
  expect(elf?.mentions('pthread')).toBe(false);
  expect(elf?.mentions('pthread', 'beginning')).toBe(true);
  expect(elf?.isGo).toBe(false);
  expect(readElf((offset, length) => elfFile({ ...shape, go: true }).subarray(offset, offset + length))?.isGo).toBe(
    true,
  );
});

test('no fragment of an ELF file makes the reader fail', () => {
  const file = elfFile({ bits: 64, order: 'LE', needed: ['libc.so.6'], symbols: ['mlock'] });
  for (let length = 0; length < file.length; length += 1) {
    const part = file.subarray(0, length);
    expect(() => readElf((offset, size) => part.subarray(offset, offset + size))).not.toThrow();
  }
  // Wild numbers in the header, too.
  for (let at = 16; at < 64; at += 1) {
    const wild = Buffer.from(file);
    wild[at] = 0xff;
    expect(() => readElf((offset, size) => wild.subarray(offset, offset + size))).not.toThrow();
  }
});

test.each([
  ['threads', { symbols: ['pthread_create'] }, /pthread_create/, false],
  ['C++ threads', { symbols: ['_ZNSt6thread15_M_start_threadESt10unique_ptr'] }, /std::thread/, false],
  ['the old thread library', { needed: ['libpthread.so.0'] }, /libpthread\.so\.0/, false],
  ['shared memory', { symbols: ['shmget'] }, /shmget/, false],
  ['locked memory', { symbols: ['mlockall'] }, /mlockall/, false],
  ['real time', { symbols: ['sched_setscheduler'] }, /real-time/, false],
  ['a Java machine inside', { needed: ['libjvm.so'] }, /libjvm\.so/, true],
  ['Go', { go: true }, /Go runtime/, true],
] as const)('a program with %s', (_, parts, reason, isUnfit) => {
  const found = over({ '/work/prog': elfFile({ bits: 64, order: 'LE', ...parts }) }).look('./prog');
  // The path is joined as it was said.
  expect(found.reasons).toEqual([]);
  const seen = over({ '/bin/prog': elfFile({ bits: 64, order: 'LE', ...parts }) }).look('prog');
  expect(seen.reasons).toHaveLength(1);
  expect(seen.reasons[0]).toMatch(reason);
  expect(seen.isUnfit).toBe(isUnfit);
});

test('relative paths start at the working folder', () => {
  const file = elfFile({ bits: 64, order: 'LE', symbols: ['shmget'] });
  expect(over({ '/work/./prog': file }).look('./prog').reasons).toHaveLength(1);
  expect(programInspector()({ program: bytesOf('./prog') }).reasons).toEqual([]);
  expect(programInspector()({ program: bytesOf('prog') }).reasons).toEqual([]);
});

test('nothing speaks against an ordinary program, or one that cannot be read', () => {
  const plain = elfFile({ bits: 64, order: 'LE', needed: ['libc.so.6'], symbols: ['fork', 'printf'] });
  expect(over({ '/bin/p': plain }).look('p')).toEqual({ reasons: [], isUnfit: false });
  expect(over({}).look('p')).toEqual({ reasons: [], isUnfit: false });
  expect(over({ '/bin/p': 'text' }).look('p')).toEqual({ reasons: [], isUnfit: false });
  expect(over({ '/bin/p': '' }).look('p')).toEqual({ reasons: [], isUnfit: false });
});

test.each(['java', '/opt/jdk/bin/java', 'node', 'dotnet', 'swipl'])('%s is known by name', (program) => {
  expect(over({}).look(program)).toMatchObject({ isUnfit: true });
});

test('a script counts as its interpreter', () => {
  const shared = elfFile({ bits: 64, order: 'LE', symbols: ['shmget'] });
  const files = {
    '/bin/js': '#!/usr/bin/env -S node --flag\n',
    '/bin/py': '#! /usr/bin/python3.11 -u\n',
    '/bin/own': '#!/bin/real\n',
    '/bin/real': shared,
    '/bin/loop': '#!/bin/loop\n',
    '/bin/none': '#!\n',
  };
  expect(over(files).look('js').isUnfit).toBe(true);
  expect(over(files).look('py').reasons[0]).toMatch(/Python/);
  expect(over(files).look('own').reasons[0]).toMatch(/shmget/);
  expect(over(files).look('loop').reasons).toEqual([]);
  expect(over(files).look('none').reasons).toEqual([]);
});

test('a program is looked into once, and again when its file has changed', () => {
  const files: Record<string, Buffer> = { '/bin/p': elfFile({ bits: 64, order: 'LE', symbols: ['shmget'] }) };
  const { look, looks } = over(files);
  look('p');
  const once = looks.length;
  look('p');
  expect(looks).toHaveLength(once);
  files['/bin/p'] = elfFile({ bits: 64, order: 'LE', symbols: ['mlock', 'shmget'] });
  expect(look('p').reasons).toHaveLength(2);
});

test('real files', () => {
  const inspect = programInspector();
  expect(inspect({ program: bytesOf(execPath) }).isUnfit).toBe(true);
  const { top } = treeOf({ 'renamed-script': `#!${execPath}\n` });
  expect(inspect({ program: bytesOf(`${top}/renamed-script`) }).isUnfit).toBe(true);
  expect(inspect({ program: bytesOf('/bin/true') }).isUnfit).toBe(false);
  expect(inspect({ program: bytesOf('/proc') }).reasons).toEqual([]);
});
