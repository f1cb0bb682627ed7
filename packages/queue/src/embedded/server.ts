import { rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { ExitCode, OmxError } from '@omx/core';

import { findRedisServer } from './binary.ts';
import { logTail, pidFileHolder, startDaemon, waitGone } from './daemon.ts';
import type { Home } from './home.ts';
import { prepareHome } from './home.ts';
import { withLock } from './lock.ts';

/**
 * Makes sure the embedded server answers on its socket: found again where it runs, started where it does not. Any
 * number of commands may do so at once; one of them starts it.
 */
export async function ensureServer(home: Home, env: Readonly<Record<string, string | undefined>>): Promise<void> {
  if (await answers(home.redisSocket)) return;
  prepareHome(home);
  await withLock(join(home.dir, 'start.lock'), async () => {
    if (await answers(home.redisSocket)) return;
    await start(home, env);
  });
}

async function start(home: Home, env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const program = findRedisServer(env);
  // One that hangs or lost its socket would write the same append-only file.
  const old = serverPid(home);
  if (old !== undefined) {
    process.kill(old, 'SIGTERM');
    if (!(await waitGone(old, 5000))) process.kill(old, 'SIGKILL');
    await waitGone(old, 5000);
  }
  const daemon = startDaemon({ program, args: serverArguments(home), cwd: home.redisDir, logFile: home.redisLog });
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(5)) {
    if (await answers(home.redisSocket)) return;
    if (daemon.exited()) break;
  }
  throw new OmxError(`cannot start the embedded queue: ${program} did not come up: ${logTail(home.redisLog)}`, {
    code: 'REDIS_START',
    exitCode: ExitCode.unreachable,
    hint: `its log is ${home.redisLog}`,
  });
}

function serverArguments(home: Home): string[] {
  return [
    ...['--port', '0', '--unixsocket', home.redisSocket, '--unixsocketperm', '700', '--dir', home.redisDir],
    ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '', '--maxmemory-policy', 'noeviction'],
    ...['--daemonize', 'no', '--pidfile', home.redisPidFile, '--logfile', home.redisLog],
  ];
}

/** The running embedded server, by its pid file; a file left by a crash names nobody. */
export function serverPid(home: Home): number | undefined {
  // The server names its socket, given as an argument and later in its title.
  return pidFileHolder(home.redisPidFile, (line) => line.includes(home.redisSocket));
}

/** Stops the server after it has written everything, and waits until it is gone. */
export async function stopServer(home: Home): Promise<boolean> {
  const pid = serverPid(home);
  if (pid === undefined) return false;
  process.kill(pid, 'SIGTERM');
  if (!(await waitGone(pid, 30_000))) {
    process.kill(pid, 'SIGKILL');
    await waitGone(pid, 5000);
  }
  rmSync(home.redisSocket, { force: true });
  if (!dirname(home.redisSocket).startsWith(home.dir))
    rmSync(dirname(home.redisSocket), { recursive: true, force: true });
  return true;
}

/** PING over the socket, without a client library: this is asked before every command. */
export async function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(socketPath);
    const finish = (verdict: boolean): void => {
      socket.destroy();
      resolve(verdict);
    };
    socket.setTimeout(2000, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('connect', () => socket.write('PING\r\n'));
    // A server that refuses (its disk is full, say) is there all the same; one that still loads is not yet.
    socket.on('data', (data) => finish(/^(\+PONG|-(?!LOADING))/.test(data.toString())));
  });
}
