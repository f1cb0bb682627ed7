import { expect, test } from 'vitest';
import { parseKeygen } from '../../src/parsers/keygen.ts';

test('a row for each child, and for nothing else', () => {
  const out = 'starting 2 children\nchild 1: 1000 keys of 1024 bits\nchild 2: 999 keys of 512 bits\nchild 3: failed\n';
  expect([...parseKeygen({ out, err: '' })]).toEqual([
    { child: 1, keys: 1000, bits: 1024 },
    { child: 2, keys: 999, bits: 512 },
  ]);
});
