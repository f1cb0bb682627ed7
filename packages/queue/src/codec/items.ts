import { deflateRawSync, inflateRawSync } from 'node:zlib';

import type { Bytes, Item } from '@omx/core';

/** Jobs whose items share one compressed block. */
export const itemsPerBlock = 1000;

/**
 * Items are stored as NUL-terminated words, the number of words before each (u16): arguments cannot contain NUL, so
 * nothing needs escaping.
 */
export function encodeItems(items: readonly Item[]): Buffer {
  const pieces: Buffer[] = [];
  for (const item of items) {
    const count = Buffer.alloc(2);
    count.writeUInt16LE(item.length, 0);
    pieces.push(count, Buffer.from(item.map((word) => `${word}\0`).join(''), 'latin1'));
  }
  return deflateRawSync(Buffer.concat(pieces), { level: 3 });
}

export function decodeItems(block: Buffer): Item[] {
  const bytes = inflateRawSync(block);
  const items: Item[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const words: Bytes[] = [];
    let left = bytes.readUInt16LE(at);
    at += 2;
    for (; left > 0; left -= 1) {
      const end = bytes.indexOf(0, at);
      words.push(bytes.toString('latin1', at, end) as Bytes);
      at = end + 1;
    }
    items.push(words);
  }
  return items;
}
