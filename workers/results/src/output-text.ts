import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { Buffer } from 'node:buffer';
import { errorOf } from '@omx/core';
import type { ParserOutput } from './parser.ts';
import type { OutputSource } from './request.ts';

export interface OutputSources {
  readonly out: OutputSource;
  readonly err: OutputSource;
}

/** The text of a job's output, read and decoded (UTF-8, U+FFFD for what is ill-formed) when first asked for. */
export function outputText(sources: OutputSources, maxBytes: number): ParserOutput {
  let out: string | undefined;
  let err: string | undefined;
  return {
    get out() {
      out ??= textOf(sources.out, { name: 'standard output', maxBytes });
      return out;
    },
    get err() {
      err ??= textOf(sources.err, { name: 'standard error', maxBytes });
      return err;
    },
  };
}

interface Reading {
  readonly name: string;
  readonly maxBytes: number;
}

function textOf(source: OutputSource, reading: Reading): string {
  return new TextDecoder().decode(
    source instanceof Uint8Array ? within(source, reading) : bytesOfFile(source.path, reading),
  );
}

function within(bytes: Uint8Array, { name, maxBytes }: Reading): Uint8Array {
  if (bytes.byteLength > maxBytes) throw new Error(tooLong(name, bytes.byteLength, maxBytes));
  return bytes;
}

function bytesOfFile(path: string, { name, maxBytes }: Reading): Uint8Array {
  let file: number | undefined;
  try {
    // Opening a pipe would wait for a writer, and a thread that waits in the kernel cannot be ended.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error('not a regular file');
    if (stat.size > maxBytes) throw new Error(tooLong('it', stat.size, maxBytes));
    return bytesOfDescriptor(file, stat.size);
  } catch (error) {
    throw new Error(`cannot read ${name}: ${errorOf(error).message}`, { cause: error });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function bytesOfDescriptor(file: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(size);
  let filled = 0;
  while (filled < size) {
    const read = readSync(file, bytes, filled, size - filled, filled);
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

function tooLong(name: string, size: number, maxBytes: number): string {
  return `${name} has ${size} bytes, more than the ${maxBytes} a parser may be given`;
}
