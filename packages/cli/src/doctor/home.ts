import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

import { errorOf, formatBytes } from '@omx/core';
import type { Home } from '@omx/queue/embedded';

import { type Check, fail, ok, warn } from './check.ts';

const scarceBytes = 1024 ** 3;
const leastBytes = 64 * 1024 ** 2;

/** The folder with the queue, the journals and the outputs; nothing is made. */
export function checkHome(home: Home): Check[] {
  const there = nearestFolder(home.dir);
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
  } catch (error) {
    return [
      fail(
        'home',
        `${there} cannot be written to: ${errorOf(error).message}`,
        'set OMX_HOME to a folder you may write to',
      ),
    ];
  }
  return [
    ok('home', there === home.dir ? `${home.dir} can be written to` : `${home.dir} will be made`),
    checkDisk(there),
    checkSocketPath(home),
  ];
}

export function checkDisk(
  folder: string,
  facts: {
    readonly bsize: number;
    readonly bavail: number;
    readonly ffree: number;
    readonly files: number;
  } = statfsSync(folder),
): Check {
  const name = 'disk';
  const free = facts.bsize * facts.bavail;
  const text = `${formatBytes(free)} free at ${folder}`;
  const mend = 'make room, or set OMX_HOME to another disk';
  if (free < leastBytes) return fail(name, text, mend);
  // Some file systems count no inodes at all.
  if (facts.files > 0 && facts.ffree < 1000) return fail(name, `${facts.ffree} inodes free at ${folder}`, mend);
  return free < scarceBytes ? warn(name, text, mend) : ok(name, text);
}

/** The kernel takes 107 bytes for a socket's path; a longer home has its sockets elsewhere. */
function checkSocketPath(home: Home): Check {
  const name = 'sockets';
  if (home.redisSocket.startsWith(home.dir)) return ok(name, home.redisSocket);
  return ok(name, `${home.dir} is too long a path for a socket, so they are in ${dirname(home.redisSocket)}`);
}

function nearestFolder(dir: string): string {
  return existsSync(dir) || dirname(dir) === dir ? dir : nearestFolder(dirname(dir));
}
