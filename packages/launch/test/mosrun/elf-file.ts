import { Buffer } from 'node:buffer';

export interface ElfParts {
  readonly bits: 32 | 64;
  readonly order: 'LE' | 'BE';
  readonly needed?: readonly string[];
  readonly symbols?: readonly string[];
  readonly go?: boolean;
}

const base = 0x400000;

/** The least ELF file with a dynamic section, a string table and, for Go, a note. Source: elf(5). */
export function elfFile({ bits, order, needed = [], symbols = [], go = false }: ElfParts): Buffer {
  const wide = bits === 64;
  const little = order === 'LE';
  const int = (bytes: 2 | 4 | 8, value: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value));
    else buffer.writeUIntLE(value, 0, bytes);
    if (!little) buffer.reverse();
    return buffer;
  };
  const half = (value: number): Buffer => int(2, value);
  const long = (value: number): Buffer => int(4, value);
  const word = (value: number): Buffer => int(wide ? 8 : 4, value);

  let strings = '\0';
  const offsets = needed.map((name) => {
    const at = strings.length;
    strings += `${name}\0`;
    return at;
  });
  strings += symbols.map((name) => `${name}\0`).join('');

  const headerSize = wide ? 64 : 52;
  const entrySize = wide ? 56 : 32;
  const stringsAt = headerSize + 3 * entrySize;
  const dynamic = (): Buffer => {
    const entries = offsets.map((at): [number, number] => [1, at]);
    entries.push([5, base + stringsAt], [10, strings.length], [0, 0]);
    return Buffer.concat(entries.flatMap(([tag, value]) => [word(tag), word(value)]));
  };
  const dynamicAt = stringsAt + strings.length;
  const noteAt = dynamicAt + dynamic().length;
  const note = go ? Buffer.concat([long(4), long(4), long(4), Buffer.from('Go\0\0id..')]) : Buffer.alloc(0);

  const segment = (type: number, offset: number, size: number): Buffer =>
    wide
      ? Buffer.concat([
          long(type),
          long(4),
          word(offset),
          word(base + offset),
          word(0),
          word(size),
          word(size),
          word(8),
        ])
      : Buffer.concat([
          long(type),
          word(offset),
          word(base + offset),
          word(0),
          word(size),
          word(size),
          long(4),
          word(8),
        ]);
  const ident = Buffer.from([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, little ? 1 : 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const header = Buffer.concat([
    ident,
    half(2),
    half(62),
    long(1),
    word(0),
    word(headerSize),
    word(0),
    long(0),
    half(headerSize),
    half(entrySize),
    half(3),
    half(0),
    half(0),
    half(0),
  ]);
  return Buffer.concat([
    header,
    segment(1, 0, noteAt),
    segment(2, dynamicAt, dynamic().length),
    segment(go ? 4 : 0, noteAt, note.length),
    Buffer.from(strings, 'latin1'),
    dynamic(),
    note,
  ]);
}
