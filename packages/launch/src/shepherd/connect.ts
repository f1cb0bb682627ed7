import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ExitCode, OmxError } from '@omx/core';
import { shepherdBinary } from './binary.ts';
import { readHello } from './events.ts';
import type { Hello } from './events.ts';
import { Answer, FrameReader, protocolVersion } from './wire.ts';

export interface ShepherdOptions {
  readonly stateDir: string;
  /** @defaultValue `shepherdBinary()` */
  readonly binary?: string;
  /** For a state folder whose path is too long for a socket. @defaultValue `shepherd.sock` in the state folder */
  readonly socketPath?: string;
}

export interface Connection {
  readonly socket: Socket;
  readonly hello: Hello;
  /** Holds what came after the hello. */
  readonly frames: FrameReader;
}

/** `sun_path` holds 108 bytes with the NUL. */
const socketPathMax = 107;
/** A shepherd that finds lost jobs may take ten seconds to kill what is left of them before it listens. */
const answerMs = 20_000;
const retryMs = 5;
/** Another shepherd holds the lock: it is about to listen, or about to end. */
const lockedCode = 75;

/** Connects to the shepherd of the state folder, started here if there is none. */
export async function connectShepherd(options: ShepherdOptions): Promise<Connection> {
  const stateDir = resolve(options.stateDir);
  const socketPath = resolve(options.socketPath ?? join(stateDir, 'shepherd.sock'));
  if (Buffer.byteLength(socketPath) > socketPathMax) {
    throw new OmxError(`the shepherd cannot listen on ${socketPath}: longer than ${socketPathMax} bytes`, {
      code: 'SOCKET_PATH_TOO_LONG',
      hint: 'choose a state folder with a shorter path',
    });
  }
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const deadline = AbortSignal.timeout(answerMs);
  let starting: Starting | undefined;
  while (!deadline.aborted) {
    const connection = await tryConnect(socketPath, deadline);
    if (connection !== undefined) {
      // Where several workers start one at once all but one find the lock taken; ours must not linger and take it later.
      if (starting !== undefined && starting.pid !== connection.hello.pid)
        await Promise.race([starting.exited, delay(1000)]);
      return checked(connection, stateDir);
    }
    if (starting === undefined || starting.exitCode === 0 || starting.exitCode === lockedCode) {
      starting = startShepherd(options.binary ?? shepherdBinary(), stateDir, socketPath);
    } else if (starting.exitCode !== undefined) {
      throw unreachable(stateDir, `it ended with ${starting.exitCode}`, starting.error);
    }
    await delay(retryMs);
  }
  throw unreachable(stateDir, `no answer on ${socketPath} for ${answerMs / 1000} seconds`);
}

interface Starting {
  readonly pid: number | undefined;
  readonly exited: Promise<void>;
  /** Undefined while it lives; -1 where it could not be started. */
  exitCode: number | undefined;
  error?: Error;
}

function startShepherd(binary: string, stateDir: string, socketPath: string): Starting {
  const log = openSync(join(stateDir, 'shepherd.log'), 'a', 0o600);
  // `detached` is setsid: the shepherd outlives this process and its terminal.
  const child = spawn(binary, [stateDir, socketPath], { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  child.unref();
  const exited = new Promise<void>((done) => child.once('exit', () => done()).once('error', () => done()));
  const starting: Starting = { pid: child.pid, exited, exitCode: undefined };
  child.once('error', (error) => Object.assign(starting, { exitCode: -1, error }));
  child.once('exit', (code) => Object.assign(starting, { exitCode: code ?? -1 }));
  return starting;
}

/** Undefined where nobody listens, or where the one who did went away without a word. */
async function tryConnect(path: string, deadline: AbortSignal): Promise<Connection | undefined> {
  const frames = new FrameReader();
  const socket = connect({ path });
  // Not the socket's own `signal`: that one would also end the connection once it is made.
  const giveUp = (): void => void socket.destroy();
  deadline.addEventListener('abort', giveUp);
  return new Promise((found) => {
    socket.on('data', (chunk: Buffer) => {
      frames.push(chunk);
      if (frames.next() !== Answer.hello) return;
      socket.pause();
      deadline.removeEventListener('abort', giveUp);
      socket.removeAllListeners('data').removeAllListeners('close');
      found({ socket, hello: readHello(frames), frames });
    });
    // Refused, not there or too late: the caller tries again until its deadline. A close follows.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      deadline.removeEventListener('abort', giveUp);
      found(undefined);
    });
  });
}

function checked(connection: Connection, stateDir: string): Connection {
  const { version, pid } = connection.hello;
  if (version === protocolVersion) return connection;
  connection.socket.destroy();
  throw new OmxError(`the shepherd ${pid} of ${stateDir} speaks version ${version}, this omx ${protocolVersion}`, {
    code: 'SHEPHERD_VERSION',
    hint: `start the worker of the omx it belongs to again until its jobs have ended; or give them up: kill ${pid}`,
    exitCode: ExitCode.unreachable,
  });
}

function unreachable(stateDir: string, why: string, cause?: Error): OmxError {
  const log = join(stateDir, 'shepherd.log');
  const said = readFileSync(log, 'utf8').trimEnd().split('\n').at(-1);
  return new OmxError(`the shepherd of ${stateDir} cannot be reached: ${why}${said ? ` (${said})` : ''}`, {
    code: 'SHEPHERD_UNREACHABLE',
    hint: `its messages are in ${log}`,
    exitCode: ExitCode.unreachable,
    cause,
  });
}
