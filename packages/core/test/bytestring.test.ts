import fc from 'fast-check';
import { expect, test } from 'vitest';

import { bufferOf, bytesFromBuffer, bytesOf, isUtf8, jsonOf, textOf } from '../src/bytestring.ts';

test('any bytes survive', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(new Uint8Array(bufferOf(bytesFromBuffer(bytes)))).toEqual(bytes);
    }),
  );
});

test('text is its UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(textOf(bytesOf(text))).toBe(text);
    }),
  );
  expect(bytesOf('é')).toBe('\u00c3\u00a9');
});

test('what is not UTF-8 goes into JSON whole', () => {
  const bytes = bytesFromBuffer(Uint8Array.of(0x66, 0xff));
  expect(isUtf8(bytes)).toBe(false);
  expect(jsonOf(bytes)).toEqual({ base64: 'Zv8=' });
  expect(jsonOf(bytesOf('grün'))).toBe('grün');
});
