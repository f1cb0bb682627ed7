import type { ReadStream, WriteStream } from 'node:tty';
import { Writable } from 'node:stream';

import { ExitCode } from '@omx/core';
import { glyphsFor, type Terminal } from '@omx/monitor';

import { type Io, wantsColour } from './io.ts';

/** The terminal in front of which somebody sits; undefined where there is none, or one that cannot do more than print. */
export function terminalOf(io: Io): Terminal | undefined {
  const [input, output] = [io.stdin as ReadStream, io.stdout as WriteStream];
  if (!input.isTTY || !output.isTTY || io.env['TERM'] === 'dumb') return undefined;
  return { input, output, colour: wantsColour(io), glyphs: glyphsFor(io.env) };
}

/** For what is done behind a full screen: remarks would spoil it. Ctrl-C is the screen's own. */
export function behindScreen(io: Io, output: Writable = nowhere(), errors: Writable = output): Io {
  return { ...io, stdout: output, stderr: errors, onInterrupt: () => () => {} };
}

export function exitCodeOf(ending: 'quit' | 'interrupted'): number {
  return ending === 'quit' ? ExitCode.ok : ExitCode.interrupted;
}

/** Keeps what is written. */
export class Kept extends Writable {
  #text = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#text += chunk.toString();
    done();
  }

  /** The first line. */
  get line(): string {
    return this.#text.split('\n')[0] ?? '';
  }
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
