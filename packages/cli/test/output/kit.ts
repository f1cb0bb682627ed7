import { PassThrough, Writable } from 'node:stream';

import type { Io } from '../../src/io.ts';
import type { AttemptName } from '../../src/output/sink.ts';

/** An io whose output is kept. */
export function recordingIo(options: { readonly tty?: boolean } = {}): {
  readonly io: Io;
  readonly out: () => Buffer;
  readonly err: () => Buffer;
  readonly interrupt: () => void;
} {
  const [stdout, out] = recorder(options.tty === true);
  const [stderr, err] = recorder(options.tty === true);
  const listeners = new Set<() => void>();
  const io: Io = {
    stdin: new PassThrough(),
    stdout,
    stderr,
    env: {},
    cwd: '/',
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return {
    io,
    out,
    err,
    interrupt: () => {
      for (const listener of listeners) listener();
    },
  };
}

function recorder(isTTY: boolean): [Writable & { isTTY: boolean }, () => Buffer] {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(Buffer.from(chunk));
      done();
    },
  });
  return [Object.assign(stream, { isTTY }), () => Buffer.concat(pieces)];
}

export function attempt(id: string, number = 1): AttemptName {
  return { id, attempt: number, node: 'n1' };
}
