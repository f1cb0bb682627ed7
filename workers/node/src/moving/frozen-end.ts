import { readFileSync, statSync } from 'node:fs';

import { noUsage, type Usage } from '@omx/core';
import type { EndedEvent } from '@omx/launch';
import { queueClock } from '@omx/queue';

import type { Attempt } from '../attempt.ts';
import { capsuleOutput } from '../job-folders.ts';

/** So much output goes into the queue, as the shepherd would have it. */
const inlineBytes = 64 << 10;

/** The end of a job that is cancelled while it is frozen, of which the shepherd knows nothing. */
export function endOfFrozen(nodeDir: string, attempt: Attempt, usage: Usage = noUsage): EndedEvent {
  const { out, err } = capsuleOutput(nodeDir, attempt);
  const [outBytes, errBytes] = [sizeOf(out), sizeOf(err)];
  const isSmall = outBytes + errBytes <= inlineBytes;
  const endedAt = queueClock.now();
  return {
    type: 'ended',
    key: attempt.key,
    pid: 0,
    startedAt: attempt.startedAt ?? endedAt,
    endedAt,
    signal: 9,
    reason: 'cancel',
    usage,
    oomKilled: false,
    outBytes,
    errBytes,
    truncated: false,
    ...(isSmall ? { output: { out: read(out), err: read(err) } } : {}),
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function read(path: string): Buffer {
  return sizeOf(path) === 0 ? Buffer.alloc(0) : readFileSync(path);
}
