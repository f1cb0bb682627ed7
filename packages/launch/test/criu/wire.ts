import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { Buffer } from 'node:buffer';
import { onTestFinished } from 'vitest';
import { until } from '../../../../test/kit/until.ts';
import type { Destination } from '../../src/criu/index.ts';

/** A stranger's connection; what it hears is kept. */
export async function dial({ host, port }: Pick<Destination, 'host' | 'port'>): Promise<Dialled> {
  const socket = connect({ host, port });
  const heard: Buffer[] = [];
  socket.on('error', () => undefined).on('data', (chunk: Buffer) => heard.push(chunk));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return { socket, closed, heard: () => Buffer.concat(heard).toString('latin1') };
}

export interface Dialled {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  heard(): string;
}

/** A connection that has proved the token, and may now say what it likes. */
export async function proven(receiving: Destination): Promise<Dialled> {
  const dialled = await dial(receiving);
  dialled.socket.write(receiving.token.slice(0, 32));
  await until(() => dialled.heard() === receiving.token.slice(32));
  return dialled;
}

/** A listener that lets through so many bytes to the other side, and then cuts both connections. */
export async function cutting(to: Destination, bytes: number): Promise<Destination> {
  const server = createServer((socket) => {
    const other = connect({ host: to.host, port: to.port });
    let left = bytes;
    for (const each of [socket, other]) each.on('error', () => undefined);
    other.pipe(socket);
    socket.on('data', (chunk: Buffer) => {
      other.write(chunk.subarray(0, Math.max(0, left)));
      left -= chunk.length;
      if (left > 0) return;
      other.end();
      socket.destroy();
    });
    socket.on('end', () => other.end());
  });
  return { ...to, port: await listening(server) };
}

/** Lets everything through to the other side, but for one bit of the byte at that place. */
export async function flipping(to: Destination, place: number): Promise<Destination> {
  return relay(to, (chunk, seen) => {
    const at = place - seen;
    if (at >= 0 && at < chunk.length) chunk[at] = (chunk[at] ?? 0) ^ 1;
  });
}

/** Lets everything through to the other side, but holds after so many bytes until `act` is done. */
export async function holding(to: Destination, bytes: number, act: () => void): Promise<Destination> {
  return relay(to, (chunk, seen) => {
    if (seen < bytes && seen + chunk.length >= bytes) act();
  });
}

/** @param look is given what comes before it goes on, and how many bytes came before that */
async function relay(to: Destination, look: (chunk: Buffer, seen: number) => void): Promise<Destination> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const other = connect({ host: to.host, port: to.port, allowHalfOpen: true });
    let seen = 0;
    for (const each of [socket, other]) each.on('error', () => undefined);
    other.pipe(socket);
    socket.on('data', (chunk: Buffer) => {
      look(chunk, seen);
      seen += chunk.length;
    });
    socket.pipe(other);
  });
  return { ...to, port: await listening(server) };
}

/** Somebody who listens without knowing the token. */
export async function impostor(heard: (text: string) => void): Promise<number> {
  return listening(
    createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        heard(chunk.toString('latin1'));
        socket.write('0'.repeat(32));
      });
    }),
  );
}

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return address === null || typeof address === 'string' ? 0 : address.port;
}

/** One member of a tar archive, as no tar would write it. Source: POSIX `pax`, the ustar format. */
export function member(
  name: string,
  { type = '0', link = '', body = '' }: { readonly type?: string; readonly link?: string; readonly body?: string } = {},
): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  const put = (text: string, at: number): void => void header.write(text, at, 'latin1');
  put(name, 0);
  put(octal(type === '5' ? 0o755 : 0o644, 8) + octal(0, 8) + octal(0, 8) + octal(body.length, 12) + octal(0, 12), 100);
  put(`        ${type}${link}`, 148);
  put('ustar\u000000', 257);
  put(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      7,
    ),
    148,
  );
  return Buffer.concat([header, Buffer.from(body), Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

export const archiveEnd = Buffer.alloc(1024);
