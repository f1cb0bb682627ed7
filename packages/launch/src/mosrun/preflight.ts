import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { Buffer } from 'node:buffer';
import type { Bytes } from '@omx/core';
import { readElf, type ElfFacts, type ReadAt } from './elf.ts';

/** What the program file itself tells about its chances to migrate. */
export interface Inspection {
  /** In the words of `omx why`; empty: nothing speaks against it. */
  readonly reasons: readonly string[];
  /** A runtime that MOSIX 2 and later cannot run at all, and openMosix never moves. */
  readonly isUnfit: boolean;
}

export interface ProgramSought {
  readonly program: Bytes;
  /** The job's working folder; without it a relative path cannot be followed. */
  readonly cwd?: Bytes;
  /** The job's PATH; without it only names with a slash can be followed. */
  readonly path?: Bytes;
}

/** Opens one file, its path a byte string, for the time of a look; undefined: no regular file, or not to be read. */
export type OpenFile = (path: string) => OpenedFile | undefined;

export interface OpenedFile {
  /** Changes when the file does. */
  readonly stamp: string;
  readonly read: ReadAt;
  close(): void;
}

export type Inspect = (sought: ProgramSought) => Inspection;

/** The same with names read from files, which are byte strings as well. */
type Sought = { readonly [K in keyof ProgramSought]: string };

const nothing: Inspection = { reasons: [], isUnfit: false };
/** A script may name a script as its interpreter; Linux follows five levels (execve(2)). */
const maxLevels = 5;
const maxRemembered = 256;

/** Looks at program files, each once as long as it stays the same: a batch starts one program very often. */
export function programInspector(open: OpenFile = openFile): Inspect {
  const remembered = new Map<string, Inspection>();
  const inspect = (sought: Sought, level: number): Inspection => {
    const known = runtimeOf(sought.program);
    if (known !== undefined) return known;
    for (const path of candidates(sought)) {
      const file = open(path);
      if (file === undefined) continue;
      try {
        const key = `${path}\0${file.stamp}`;
        const before = remembered.get(key);
        if (before !== undefined) return before;
        const found = look(file.read, sought, level);
        if (remembered.size >= maxRemembered) remembered.clear();
        remembered.set(key, found);
        return found;
      } finally {
        file.close();
      }
    }
    return nothing;
  };
  const look = (read: ReadAt, sought: Sought, level: number): Inspection => {
    const start = read(0, 256);
    if (start === undefined) return nothing;
    const interpreter = interpreterOf(start);
    if (interpreter !== undefined) {
      return level >= maxLevels ? nothing : inspect({ ...sought, program: interpreter }, level + 1);
    }
    const elf = readElf(read);
    return elf === undefined ? nothing : judge(elf);
  };
  return (sought) => inspect(sought, 1);
}

/** Programs known by name to start threads whatever they are asked to do. */
const runtimes: readonly (readonly [RegExp, string])[] = [
  [/^(java|javaw|jshell)$/, 'Java'],
  [/^(node|nodejs|bun|deno)$/, 'JavaScript'],
  [/^(dotnet|mono)$/, '.NET'],
  [/^(go|erl|beam\.smp|elixir)$/, 'this'],
  [/^(swipl|pl)$/, 'SWI-Prolog'],
];

function runtimeOf(program: string): Inspection | undefined {
  const name = program.slice(program.lastIndexOf('/') + 1);
  if (/^(python|pypy)[\d.]*$/.test(name)) {
    return { reasons: ['Python is usually built with threads, and a process with threads stays'], isUnfit: false };
  }
  const runtime = runtimes.find(([pattern]) => pattern.test(name));
  if (runtime === undefined) return undefined;
  const subject = runtime[1] === 'this' ? name : `the ${runtime[1]} runtime`;
  return { reasons: [`${subject} runs in threads, which cannot leave the memory they share`], isUnfit: true };
}

/** Library calls that pin the process that makes them. Having them at hand is not using them, hence "if". */
const telling: readonly (readonly [symbol: string, how: 'whole' | 'beginning', reason: string])[] = [
  ['pthread_create', 'whole', 'it can start threads (pthread_create): if it does, it stays'],
  ['thrd_create', 'whole', 'it can start threads (thrd_create): if it does, it stays'],
  ['_ZNSt6thread15_M_start_thread', 'beginning', 'it can start threads (std::thread): if it does, it stays'],
  ['shmget', 'whole', 'it can use System V shared memory (shmget): if it does, it stays'],
  ['shm_open', 'whole', 'it can use shared memory (shm_open): if it does, it stays'],
  ['mlock', 'whole', 'it can lock memory (mlock): if it does, it stays'],
  ['mlockall', 'whole', 'it can lock memory (mlockall): if it does, it stays'],
  ['sched_setscheduler', 'whole', 'it can ask for real-time scheduling: if it does, it stays'],
  ['ioperm', 'whole', 'it can access hardware ports (ioperm): if it does, it stays'],
  ['iopl', 'whole', 'it can access hardware ports (iopl): if it does, it stays'],
];

function judge(elf: ElfFacts): Inspection {
  if (elf.isGo) {
    return {
      reasons: ['it is a Go program, and the Go runtime runs in threads, which cannot be moved'],
      isUnfit: true,
    };
  }
  const vm = elf.needed.find((name) => /^lib(jvm|node|coreclr|mono|gcj)\b/.test(name));
  if (vm !== undefined) {
    return { reasons: [`it brings a runtime with threads along (${vm}), which cannot be moved`], isUnfit: true };
  }
  const reasons = telling.filter(([symbol, how]) => elf.mentions(symbol, how)).map(([, , reason]) => reason);
  // Since glibc 2.34 no program names this library; in older ones it says "threads" even where the call is hidden.
  const threads = elf.needed.find((name) => /^libpthread\b/.test(name));
  if (threads !== undefined && !reasons.some((reason) => reason.includes('threads'))) {
    reasons.unshift(`it is linked with ${threads}: if it starts threads, it stays`);
  }
  return { reasons, isUnfit: false };
}

/** The program a script names in its first line; `env` is looked through to the program it starts. */
function interpreterOf(start: Buffer): string | undefined {
  const line = /^#![ \t]*([^\n]*)/.exec(start.toString('latin1'))?.[1];
  const [program, ...args] = (line ?? '').split(/[ \t]+/).filter((word) => word !== '');
  if (program === undefined) return undefined;
  const isEnv = program.slice(program.lastIndexOf('/') + 1) === 'env';
  const named = args.find((word) => !word.startsWith('-') && !word.includes('='));
  return isEnv ? named : program;
}

/** Where the kernel or execvp(3) would look. */
function candidates({ program, cwd, path }: Sought): readonly string[] {
  if (program.startsWith('/')) return [program];
  if (program.includes('/')) return cwd === undefined ? [] : [`${cwd}/${program}`];
  const folders = (path ?? '').split(':').filter((folder) => folder.startsWith('/'));
  return folders.map((folder) => `${folder}/${program}`);
}

/** NOTE: O_NONBLOCK, because opening a named pipe would otherwise wait for a writer for good. */
function openFile(path: string): OpenedFile | undefined {
  let handle: number;
  try {
    handle = openSync(Buffer.from(path, 'latin1'), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  const info = fstatSync(handle);
  if (!info.isFile()) {
    closeSync(handle);
    return undefined;
  }
  return {
    stamp: `${info.dev}:${info.ino}:${info.size}:${info.mtimeMs}`,
    read: (offset, length) => {
      if (length <= 0 || offset < 0 || offset >= info.size) return undefined;
      try {
        const buffer = Buffer.alloc(Math.min(length, info.size - offset));
        return buffer.subarray(0, readSync(handle, buffer, 0, buffer.length, offset));
      } catch {
        return undefined;
      }
    },
    close: () => closeSync(handle),
  };
}
