import { describe, expect, it } from 'vitest';

import { Utf8Pieces } from '../../src/output/utf8-pieces.ts';

function pieces(chunks: readonly Buffer[]) {
  const stream = new Utf8Pieces();
  return [...chunks.map((chunk) => stream.next(chunk)), stream.end()].filter((piece) => piece !== undefined);
}

function joined(chunks: readonly Buffer[]): Buffer {
  return Buffer.concat(
    pieces(chunks).map((piece) => ('text' in piece ? Buffer.from(piece.text) : Buffer.from(piece.base64, 'base64'))),
  );
}

describe('Utf8Pieces', () => {
  it('keeps text text wherever it is cut', () => {
    const bytes = Buffer.from('aé漢😀\n');
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const found = pieces([bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect(found.every((piece) => 'text' in piece)).toBe(true);
      expect(found.map((piece) => ('text' in piece ? piece.text : '')).join('')).toBe('aé漢😀\n');
    }
    expect(
      pieces([...bytes].map((byte) => Buffer.from([byte]))).map((piece) => ('text' in piece ? piece.text : '?')),
    ).toEqual(['a', 'é', '漢', '😀', '\n']);
  });

  it('gives bytes that are not UTF-8 as base64', () => {
    expect(pieces([Buffer.from([0xff, 0x41])])).toEqual([{ base64: '/0E=' }]);
    // The middle of a character at the end of the stream.
    expect(pieces([Buffer.from([0x41, 0xe6, 0xbc])])).toEqual([{ text: 'A' }, { base64: '5rw=' }]);
  });

  it('loses no byte of any stream', () => {
    const bytes = Buffer.from(Array.from({ length: 2000 }, (_, at) => (at * 7919 + (at >> 3) * 31) & 255));
    for (const size of [1, 2, 3, 5, 64]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
        bytes.subarray(at * size, (at + 1) * size),
      );
      expect(joined(chunks).equals(bytes)).toBe(true);
    }
  });
});
