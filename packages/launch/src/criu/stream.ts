import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import type { Readable } from 'node:stream';
import { OmxError } from '@omx/core';
import { capsuleBinary } from './capsule-binary.ts';
import { criuEnv } from './criu-env.ts';

/** Where a connection is awaited. The token is good for one. */
export interface Destination {
  /** A name, or an IPv4 or IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** 64 hexadecimal digits. */
  readonly token: string;
}

export interface Receiving extends Destination {
  /** Fulfilled when everything has come. Rejected with SHIP_FAILED; nobody has to listen for that. */
  readonly done: Promise<void>;
  /** Ends it, whatever it does; `done` is rejected unless it was over. */
  stop(): Promise<void>;
}

/** By name, so that no command line holds it. `native/capsule/stream.h` says what it is for. */
export const tokenName = 'OMX_SHIP_TOKEN';

/** Of what a program says; the first words tell the reason. */
const maxWords = 10_000;

export function shipError(what: string, reason: string): OmxError {
  return new OmxError(`${what}: ${reason}`, { code: 'SHIP_FAILED' });
}

/** All addresses of a host, numeric. @throws SHIP_FAILED where it has none */
export async function addressesOf(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it has no address';
    throw shipError(`cannot find the host ${host}`, reason);
  }
}

export interface ListenOptions {
  /** A name or an address of this machine. */
  readonly host: string;
  /** For everything, from now on. */
  readonly timeoutMs: number;
  /** Begins the errors' sentences. */
  readonly what: string;
  /** Options of `omx-capsule listen` and the program, after `--`. */
  readonly words: readonly string[];
  /** Why it failed, from what the program said. */
  explain(words: string): string;
}

/** @throws SHIP_FAILED where the host is not this machine */
export async function listenFor(options: ListenOptions): Promise<Receiving> {
  const { host, what, words, explain, timeoutMs } = options;
  const [address = host] = await addressesOf(host);
  const token = randomBytes(32).toString('hex');
  const program = startProgram(['listen', address, ...words], token, timeoutMs);
  const done = program.ended.then((end) => {
    if (!end.isWell) throw shipError(what, end.cut ?? explain(end.words));
  });
  done.catch(() => undefined);
  const port = Number(await Promise.race([program.line, done.then(() => undefined)]));
  const stop = async (): Promise<void> => {
    program.stop('it was stopped');
    await program.ended;
  };
  return { host, port, token, done, stop };
}

interface Ended {
  readonly isWell: boolean;
  /** What it said on its error output. */
  readonly words: string;
  /** Why we ended it; undefined: we did not. */
  readonly cut: string | undefined;
}

export interface StreamProgram {
  /** The first line of its output. Stays open where there is none. */
  readonly line: Promise<string>;
  readonly ended: Promise<Ended>;
  /** Takes what the program shall read. */
  write(text: string, last?: 'last'): void;
  stop(reason: string): void;
}

/** `omx-capsule` with a token and an end: it dies with this process, after `timeoutMs`, or by `stop`, and its program with it. */
export function startProgram(words: readonly string[], token: string, timeoutMs: number): StreamProgram {
  const child = spawn(capsuleBinary(), words, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...criuEnv(), LC_ALL: 'C', [tokenName]: token },
  });
  let cut: string | undefined;
  const stop = (reason: string): void => {
    cut ??= reason;
    child.kill('SIGKILL');
  };
  const timer = setTimeout(() => stop(`it took longer than ${timeoutMs / 1000} s`), timeoutMs);
  let said = '';
  child.stderr.on('data', (chunk) => {
    if (said.length < maxWords) said += String(chunk);
  });
  // It may have ended before it has read everything; its end says why.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<Ended>((resolve) => {
    const end = (isWell: boolean, more = ''): void => {
      clearTimeout(timer);
      resolve({ isWell: isWell && cut === undefined, words: said + more, cut });
    };
    child.once('close', (code) => end(code === 0));
    child.once('error', (error) => end(false, error.message));
  });
  const write = (text: string, last?: 'last'): void => void (last ? child.stdin.end(text) : child.stdin.write(text));
  return { line: firstLine(child.stdout), ended, stop, write };
}

function firstLine(from: Readable): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    from.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
  });
}

/** The first line that says something, without the program's own name. */
export function firstWords(words: string, otherwise: string): string {
  const line = words.split('\n').find((each) => each.trim() !== '');
  return line?.replace(/^(omx-capsule|\S*tar): /, '') ?? otherwise;
}
