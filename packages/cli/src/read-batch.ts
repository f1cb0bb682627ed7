import { readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';

import {
  batchEnvironment,
  bufferOf,
  bytesOf,
  type Bytes,
  compileBatch,
  type CompiledBatch,
  formatOfFile,
  loadSources,
  OmxError,
  parseBatchFile,
  type RawBatch,
  type SourceContent,
  specError,
  usageError,
  type Where,
  whereOnCommandLine,
} from '@omx/core';

import type { Io } from './io.ts';
import { isAsTyped, rawEnvironment, rawWords, rawWorkingDirectory } from './raw-args.ts';

/** The options of submit and run as commander hands them over. */
export interface SubmitOptions {
  readonly file?: string;
  readonly redis?: string;
  readonly [option: string]: unknown;
}

/** A batch read from the command line or a batch file, complete but for the digest of its environment. */
export interface ReadBatch {
  readonly environment: Bytes[];
  readonly compile: (envDigest: string) => CompiledBatch;
}

const ownOptions = new Set(['file', 'redis', 'dryRun', 'wait', 'progress', 'quiet', 'json']);

/** Turns a command line into a batch; nothing is in the queue yet, so a refusal leaves nothing behind. */
export async function readBatch(io: Io, words: readonly string[], options: SubmitOptions): Promise<ReadBatch> {
  const typed = rawOf(options);
  refuseDamaged(typed);
  const cwd = rawWorkingDirectory(io.cwd);
  const { command, values } = splitAtColons(words);
  const {
    raw: inFile,
    where: whereInFile,
    dir,
  } = options.file === undefined ? noFile(cwd) : await readFileBatch(cwd, options.file);
  const raw: RawBatch = { ...inFile, ...typed };
  const isTyped = (key: string): boolean =>
    key in typed || (key === 'command' && command.length > 0) || (key === 'values' && values.length > 0);
  const where: Where = (path) => (isTyped(String(path[0])) ? whereOnCommandLine(path) : whereInFile(path));
  // What the command line says counts from where it is typed; what the file says, from where the file is.
  const base = (key: string): Bytes => (isTyped(key) ? cwd : dir);
  const sources: SourceContent = {
    ...(await loadSources(
      raw,
      async (path) => (path === '-' ? readAll(io) : readFile(bufferOf(absolute(base(sourceKey(raw, path)), path)))),
      where,
    )),
    ...(command.length === 0 ? {} : { command }),
    ...(values.length === 0 ? {} : { values }),
  };
  const environment = batchEnvironment(rawEnvironment(io.env), raw, where);
  const full: RawBatch = values.length === 0 ? raw : { ...raw, values: values.map((list) => list.map(String)) };
  const compile = (envDigest: string): CompiledBatch =>
    compileBatch(full, sources, { cwd, base, umask: process.umask(), envDigest, where });
  // Checked before anything is started or stored.
  compile('');
  return { environment, compile };
}

function rawOf(options: SubmitOptions): Partial<RawBatch> {
  const entries = Object.entries(options).filter(([key, value]) => !ownOptions.has(key) && value !== undefined);
  return Object.fromEntries(
    entries.map(([key, value]) => [key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), value]),
  );
}

/** Options are texts, and a text with other bytes in it has lost them already. */
function refuseDamaged(typed: Partial<RawBatch>): void {
  for (const [key, value] of Object.entries(typed)) {
    if ([value].flat().every((text) => typeof text !== 'string' || isAsTyped(text))) continue;
    throw specError(
      whereOnCommandLine([key]),
      'it is not UTF-8 text',
      'other bytes may stand in the command, in the environment and in the files of --each, --csv and --commands',
    );
  }
}

/** The words before the first `:::`, and the lists after each. */
function splitAtColons(words: readonly string[]): { command: Bytes[]; values: Bytes[][] } {
  const parts: Bytes[][] = [[]];
  for (const word of rawWords(words)) {
    if (word === ':::') parts.push([]);
    else parts.at(-1)?.push(word);
  }
  const [command = [], ...values] = parts;
  return { command, values };
}

interface FileBatch {
  readonly raw: RawBatch;
  readonly where: Where;
  /** The folder of the batch file. */
  readonly dir: Bytes;
}

function noFile(cwd: Bytes): FileBatch {
  return { raw: {}, where: whereOnCommandLine, dir: cwd };
}

async function readFileBatch(cwd: Bytes, file: string): Promise<FileBatch> {
  const path = absolute(cwd, file);
  const format = formatOfFile(file);
  const content = await readLimited(bufferOf(path), file);
  const { raw, where } = await parseBatchFile(file, content, format);
  return { raw, where, dir: posix.dirname(path) as Bytes };
}

function absolute(from: Bytes, path: string): Bytes {
  return posix.resolve(from, bytesOf(path)) as Bytes;
}

/** Over 16 MiB the parser refuses by size; so much need not be read for that. */
async function readLimited(path: Buffer, name: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > 64 * 2 ** 20)
      throw usageError(
        `${name}: the file has ${size} bytes, a batch file at most 16777216`,
        'put the values in a file of their own and name it with each, csv or commands',
      );
    return await readFile(path);
  } catch (error) {
    if (error instanceof OmxError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw usageError(`cannot read the batch file ${name}: ${code === 'ENOENT' ? 'there is no such file' : message}`);
  }
}

function sourceKey(raw: RawBatch, path: string): string {
  if (raw.each === path) return 'each';
  if (raw.csv === path) return 'csv';
  return raw.commands === path ? 'commands' : 'param';
}

async function readAll(io: Io): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of io.stdin) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}
