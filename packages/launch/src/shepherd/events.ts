import { constants } from 'node:os';
import { endReasons } from './messages.ts';
import type { EndedEvent, RefusedEvent, RunningEntry, StartedEvent } from './messages.ts';
import { protocolVersion } from './wire.ts';
import type { FrameReader } from './wire.ts';

const stages = ['cwd', 'stdin', 'output', 'fork', 'exec', 'lease', 'recalled'] as const;

const EndFlag = { signalled: 1, oom: 2, truncated: 4, lost: 8 } as const;

// Some numbers have two names (EAGAIN, EWOULDBLOCK); the first is the usual one.
const errnoNames = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) {
  if (!errnoNames.has(number)) errnoNames.set(number, name);
}
// Linux numbers that Node has no name for; the shepherd answers the first when it does not know the environment.
errnoNames.set(126, 'ENOKEY');

/** What the shepherd says of itself. */
export interface ShepherdState {
  /** Its clock, CLOCK_BOOTTIME in milliseconds. */
  readonly now: number;
  /** The lease is out, and the jobs were stopped or ended for it. */
  readonly suspended: boolean;
}

export interface Hello extends ShepherdState {
  readonly version: number;
  readonly pid: number;
  readonly running: RunningEntry[];
  /** Jobs whose end or refusal nobody has acknowledged; those events follow. */
  readonly unreported: string[];
}

export function readHello(frame: FrameReader): Hello {
  const version = frame.u32();
  const pid = frame.u32();
  // Only these two fields stand where they are in every version.
  if (version !== protocolVersion) return { version, pid, running: [], unreported: [], now: 0, suspended: false };
  const running = Array.from({ length: frame.u32() }, () => ({
    key: frame.text(),
    pid: frame.u32(),
    startedAt: frame.f64(),
    paused: frame.u8() !== 0,
  }));
  const unreported = Array.from({ length: frame.u32() }, () => frame.text());
  return { version, pid, running, unreported, ...readState(frame) };
}

/** With `answer` it answers a LEASE; without, the jobs were suspended because the lease ran out. */
export function readAlive(frame: FrameReader): ShepherdState & { readonly answer: boolean } {
  return { ...readState(frame), answer: frame.u8() !== 0 };
}

function readState(frame: FrameReader): ShepherdState {
  return { now: frame.f64(), suspended: frame.u8() !== 0 };
}

export function readStarted(frame: FrameReader): StartedEvent {
  return { type: 'started', key: frame.text(), pid: frame.u32(), startedAt: frame.f64() };
}

export function readRefused(frame: FrameReader): RefusedEvent {
  const key = frame.text();
  const stage = stages[frame.u8()] ?? 'exec';
  const number = frame.u32();
  return { type: 'refused', key, stage, errno: errnoNames.get(number) ?? `E${number}`, at: frame.f64() };
}

export function readEnded(frame: FrameReader): EndedEvent {
  const key = frame.text();
  const pid = frame.u32();
  const startedAt = frame.f64();
  const endedAt = frame.f64();
  const flags = frame.u8();
  const reason = endReasons[frame.u8()] ?? 'none';
  const code = frame.u32();
  const isSignalled = (flags & EndFlag.signalled) !== 0;
  return {
    type: 'ended',
    key,
    pid,
    startedAt,
    endedAt,
    exitCode: isSignalled ? undefined : code,
    signal: isSignalled ? code : undefined,
    reason,
    usage: { userUs: frame.f64(), sysUs: frame.f64(), maxRssKib: frame.f64() },
    oomKilled: (flags & EndFlag.oom) !== 0,
    lost: (flags & EndFlag.lost) === 0 ? undefined : true,
    outBytes: frame.f64(),
    errBytes: frame.f64(),
    truncated: (flags & EndFlag.truncated) !== 0,
    output: frame.u8() === 0 ? undefined : { out: frame.bytes(), err: frame.bytes() },
  };
}
