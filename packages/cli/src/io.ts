import type { Readable, Writable } from 'node:stream';

/** Everything a command may touch of the process it runs in, so that commands are functions of it. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Calls back at Ctrl-C; returns the way to stop listening. */
  readonly onInterrupt: (listener: () => void) => () => void;
}

/** Colours only where a person looks, and not where they ask for none (no-color.org). */
export function wantsColour(io: Io): boolean {
  if ((io.env['NO_COLOR'] ?? '') !== '') return false;
  if ((io.env['FORCE_COLOR'] ?? '') !== '') return io.env['FORCE_COLOR'] !== '0';
  return io.stdout.isTTY === true && io.env['TERM'] !== 'dumb';
}

/** Writes and waits while the reader is behind, so that large outputs take no memory. */
export async function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  if (stream.destroyed || stream.write(data)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

/** One JSON value on a line of its own. */
export async function writeJson(io: Io, value: unknown): Promise<void> {
  await write(io.stdout, `${JSON.stringify(value)}\n`);
}

export async function writeLine(io: Io, text: string): Promise<void> {
  await write(io.stdout, `${text}\n`);
}

/** A remark for people; never in the way of what a script reads. */
export function say(io: Io, text: string): void {
  io.stderr.write(`${text}\n`);
}
