import type { Bytes } from '@omx/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { decodeItems, encodeItems } from '../../src/codec/items.ts';
import { decodePack, decodeRows, encodePack, encodeRows } from '../../src/codec/pack.ts';

test('outputs survive a pack byte for byte', () => {
  const output = fc.record({
    ordinal: fc.nat(),
    attempt: fc.nat({ max: 65_535 }),
    out: fc.uint8Array().map(Buffer.from),
    err: fc.uint8Array().map(Buffer.from),
  });
  fc.assert(
    fc.property(fc.array(output, { maxLength: 20 }), (outputs) => {
      expect(decodePack(encodePack(outputs))).toEqual(outputs);
    }),
  );
});

test('items survive a block: empty words, newlines, bytes that are not UTF-8', () => {
  const word = fc
    .uint8Array({ maxLength: 20 })
    .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0)).toString('latin1') as Bytes);
  fc.assert(
    fc.property(fc.array(fc.array(word, { maxLength: 5 }), { maxLength: 20 }), (items) => {
      expect(decodeItems(encodeItems(items))).toEqual(items);
    }),
  );
});

test('rows survive', () => {
  const rows = [
    { ordinal: 3, attempt: 1, rows: [{ n: 5, fib: 8 }] },
    { ordinal: 4, attempt: 2, error: 'it threw' },
  ];
  expect(decodeRows(encodeRows(rows))).toEqual(rows);
});
