import { Buffer } from 'node:buffer';

/** Bytes of one file from an offset on; fewer where it ends, undefined where it cannot be read. */
export type ReadAt = (offset: number, length: number) => Buffer | undefined;

export interface ElfFacts {
  /** Shared libraries it asks for by name (DT_NEEDED). */
  readonly needed: readonly string[];
  /** Whether a symbol of that exact name, or beginning, occurs among those it exchanges with libraries. */
  mentions(name: string, how?: 'whole' | 'beginning'): boolean;
  /** Built by the Go toolchain. */
  readonly isGo: boolean;
}

/** The dynamic string table is looked through up to here; node's own is larger, ordinary programs' are far smaller. */
const maxStrings = 1 << 20;
const maxHeaders = 128;
const maxDynamic = 64 << 10;

/** Source: elf(5). Both word sizes and both byte orders, because openMosix ran on 32-bit machines. */
export function readElf(read: ReadAt): ElfFacts | undefined {
  const head = read(0, 64);
  if (head === undefined || head.toString('latin1', 0, 4) !== '\u007fELF') return undefined;
  const word = words(head[4] === 2, head[5] !== 2);
  if (head.length < (word.wide ? 64 : 52)) return undefined;
  const table = word.wide ? word.address(head, 32) : word.address(head, 28);
  const size = word.half(head, word.wide ? 54 : 42);
  const count = Math.min(word.half(head, word.wide ? 56 : 44), maxHeaders);
  const headers = read(table, size * count);
  if (headers === undefined || size < (word.wide ? 56 : 32)) return undefined;

  const segments: Segment[] = [];
  for (let at = 0; at + size <= headers.length; at += size) segments.push(word.segment(headers, at));
  const dynamic = segments.find((segment) => segment.type === 2);
  const entries =
    dynamic === undefined ? [] : dynamicEntries(word, read(dynamic.offset, Math.min(dynamic.size, maxDynamic)));
  const stringsAt = fileOffset(segments, entries.find(([tag]) => tag === 5)?.[1]);
  const stringsSize = entries.find(([tag]) => tag === 10)?.[1] ?? 0;
  const strings = stringsAt === undefined ? undefined : read(stringsAt, Math.min(stringsSize, maxStrings));
  const needed = entries.flatMap(([tag, value]) => {
    if (tag !== 1 || stringsAt === undefined) return [];
    const name = read(stringsAt + value, 256)
      ?.toString('latin1')
      .split('\0', 1)[0];
    return name === undefined || name === '' ? [] : [name];
  });
  return {
    needed,
    mentions: (name, how = 'whole') =>
      strings?.includes(`\0${name}${how === 'whole' ? '\0' : ''}`, 0, 'latin1') ?? false,
    isGo: segments.some((segment) => segment.type === 4 && isGoNote(read(segment.offset, Math.min(segment.size, 256)))),
  };
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

interface Words {
  readonly wide: boolean;
  half(buffer: Buffer, at: number): number;
  address(buffer: Buffer, at: number): number;
  segment(buffer: Buffer, at: number): Segment;
}

function words(wide: boolean, little: boolean): Words {
  const half = (buffer: Buffer, at: number): number => (little ? buffer.readUInt16LE(at) : buffer.readUInt16BE(at));
  const long = (buffer: Buffer, at: number): number => (little ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at));
  const quad = (buffer: Buffer, at: number): number =>
    Number(little ? buffer.readBigUInt64LE(at) : buffer.readBigUInt64BE(at));
  const address = wide ? quad : long;
  const [offset, virtual, size] = wide ? [8, 16, 32] : [4, 8, 16];
  return {
    wide,
    half,
    address,
    segment: (buffer, at) => ({
      type: long(buffer, at),
      offset: address(buffer, at + offset),
      address: address(buffer, at + virtual),
      size: address(buffer, at + size),
    }),
  };
}

function dynamicEntries(word: Words, table: Buffer = Buffer.alloc(0)): readonly (readonly [number, number])[] {
  const step = word.wide ? 8 : 4;
  const entries: [number, number][] = [];
  for (let at = 0; at + 2 * step <= table.length; at += 2 * step) {
    const tag = word.address(table, at);
    if (tag === 0) break;
    entries.push([tag, word.address(table, at + step)]);
  }
  return entries;
}

/** The string table is given by its address in memory; the loadable segments (PT_LOAD) say where that is in the file. */
function fileOffset(segments: readonly Segment[], address: number | undefined): number | undefined {
  if (address === undefined) return undefined;
  const home = segments.find(
    (segment) => segment.type === 1 && address >= segment.address && address < segment.address + segment.size,
  );
  return home === undefined ? undefined : home.offset + address - home.address;
}

/** A note's name follows three words: name length, content length, kind. */
function isGoNote(note: Buffer | undefined): boolean {
  return note !== undefined && note.toString('latin1', 12, 16) === 'Go\0\0';
}
