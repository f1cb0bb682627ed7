import { createHash } from 'node:crypto';
import { accessSync, chmodSync, constants, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { ExitCode, OmxError } from '@omx/core';

/** Longest path the kernel takes for a unix socket (`sun_path` in unix(7) has 108 bytes with the final NUL). */
const longestSocketPath = 107;

/** Where one user's embedded queue and nodes live. */
export interface Home {
  readonly dir: string;
  readonly redisDir: string;
  /** The embedded server's unix socket. */
  readonly redisSocket: string;
  readonly redisPidFile: string;
  readonly redisLog: string;
  nodeDir(name: string): string;
  /** A socket path for the node that is short enough for the kernel. */
  nodeSocket(name: string): string;
}

/** `OMX_HOME`, else the XDG state folder. */
export function defaultHome(env: Readonly<Record<string, string | undefined>>): string {
  const explicit = env['OMX_HOME'];
  if (explicit !== undefined && explicit !== '') return resolve(explicit);
  const state = env['XDG_STATE_HOME'];
  return state !== undefined && state.startsWith('/')
    ? join(state, 'omx')
    : join(ownFolder(), '.local', 'state', 'omx');
}

/** This account's own folder; `/` for one that has none, as in a container for a bare uid. */
export function ownFolder(): string {
  try {
    const folder = homedir();
    return folder.startsWith('/') ? folder : '/';
  } catch {
    // No HOME, and no entry in the list of users.
    return '/';
  }
}

export function homeAt(dir: string, env: Readonly<Record<string, string | undefined>>): Home {
  return {
    dir,
    redisDir: join(dir, 'redis'),
    redisSocket: shortSocket(dir, 'redis.sock', env),
    redisPidFile: join(dir, 'redis.pid'),
    redisLog: join(dir, 'redis.log'),
    nodeDir: (name) => join(dir, 'nodes', name),
    nodeSocket: (name) => shortSocket(join(dir, 'nodes', name), 'shepherd.sock', env),
  };
}

/** Makes the folders, readable by their owner alone. */
export function prepareHome(home: Home): void {
  try {
    makeFolders(home.redisDir);
    chmodSync(home.dir, 0o700);
    accessSync(home.dir, constants.W_OK);
    for (const socket of [home.redisSocket]) prepareSocketDir(join(socket, '..'), home.dir);
  } catch (error) {
    if (error instanceof OmxError) throw error;
    throw new OmxError(`cannot keep a queue in ${home.dir}: ${(error as Error).message}`, {
      code: 'HOME_UNWRITABLE',
      exitCode: ExitCode.unreachable,
      hint: 'set OMX_HOME to a folder you may write to',
      cause: error,
    });
  }
}

/** A folder outside the home (for short socket names) must be ours alone: others may write to /tmp too. */
export function prepareSocketDir(dir: string, home: string): void {
  if (dir.startsWith(home)) return;
  makeFolders(dir);
  const facts = lstatSync(dir);
  if (!facts.isDirectory() || facts.uid !== process.getuid?.() || (facts.mode & 0o077) !== 0) {
    throw new OmxError(`cannot use ${dir} for sockets: it belongs to somebody else or others may write to it`, {
      code: 'SOCKET_DIR_UNSAFE',
      exitCode: ExitCode.unreachable,
      hint: 'set OMX_HOME to a shorter path',
    });
  }
}

/** As `mkdir -p`. Node's own recursion never ends where the kernel answers ENOENT below a folder that is there (/proc). */
function makeFolders(dir: string): void {
  if (existsSync(dir)) return;
  makeFolders(dirname(dir));
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function shortSocket(dir: string, name: string, env: Readonly<Record<string, string | undefined>>): string {
  const direct = join(dir, name);
  if (Buffer.byteLength(direct) <= longestSocketPath) return direct;
  const runtime = env['XDG_RUNTIME_DIR'];
  const base = runtime !== undefined && runtime.startsWith('/') && runtime.length < 60 ? runtime : tmpdir();
  const digest = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  return join(base, `omx-${process.getuid?.() ?? 0}-${digest}`, name);
}
