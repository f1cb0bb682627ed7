import { closeSync, openSync, readSync } from 'node:fs';

/** Headers and notes of a program or library lie at its beginning. */
const headBytes = 8192;

/**
 * The build id of a 64-bit ELF file, hexadecimal; undefined where there is none. criu compares programs by it as well.
 * Source: elf(5), note type 3 (NT_GNU_BUILD_ID) of the name `GNU`.
 */
export function readBuildId(path: string): string | undefined {
  const head = readHead(path);
  if (head === undefined || head.length < 64 || head.toString('latin1', 0, 4) !== '\u007fELF') return undefined;
  if (head[4] !== 2 || head[5] !== 1) return undefined;
  const table = Number(head.readBigUInt64LE(32));
  const size = head.readUInt16LE(54);
  const count = head.readUInt16LE(56);
  for (let at = table; at < table + size * count && at + 56 <= head.length; at += size) {
    if (head.readUInt32LE(at) !== 4) continue;
    const start = Number(head.readBigUInt64LE(at + 8));
    const id = findNote(head.subarray(start, start + Number(head.readBigUInt64LE(at + 32))));
    if (id !== undefined) return id;
  }
  return undefined;
}

function findNote(notes: Buffer): string | undefined {
  const padded = (length: number): number => Math.ceil(length / 4) * 4;
  for (let at = 0; at + 12 <= notes.length;) {
    const nameSize = notes.readUInt32LE(at);
    const size = notes.readUInt32LE(at + 4);
    const name = at + 12;
    const content = name + padded(nameSize);
    if (notes.readUInt32LE(at + 8) === 3 && notes.toString('latin1', name, name + nameSize) === 'GNU\0') {
      return notes.toString('hex', content, content + size);
    }
    at = content + padded(size);
  }
  return undefined;
}

function readHead(path: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const buffer = Buffer.alloc(headBytes);
    return buffer.subarray(0, readSync(fd, buffer, 0, headBytes, 0));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
