import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { noUsage } from '@omx/core';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { noteElsewhere, usedElsewhere } from '../../../src/moving/children/elsewhere.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'omx-elsewhere-'));
  mkdirSync(join(folder, '.capsule'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('times of children add up, each child once; the largest of them counts', () => {
  expect(usedElsewhere(folder)).toEqual(noUsage);
  noteElsewhere(folder, 'a', { userUs: 10, sysUs: 1, maxRssKib: 100 });
  noteElsewhere(folder, 'b', { userUs: 20, sysUs: 2, maxRssKib: 50 });
  noteElsewhere(folder, 'b', { userUs: 20, sysUs: 2, maxRssKib: 50 });
  expect(usedElsewhere(folder)).toEqual({ userUs: 30, sysUs: 3, maxRssKib: 100 });
});

test.each(['', 'null', '[1]', '{"a":null}', '{"a":{"userUs":"much"}}'])(
  'what the job wrote there itself is nothing: %s',
  (text) => {
    writeFileSync(join(folder, '.capsule', 'elsewhere'), text);
    expect(usedElsewhere(folder)).toEqual(noUsage);
  },
);
