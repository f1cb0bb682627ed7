import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';

import {
  defaultLeaseMs,
  errorOf,
  formatDuration,
  launcherChoices,
  type LauncherName,
  type NodeRole,
  nodeRoles,
  type OnLost,
  onLostChoices,
  parseDuration,
  usageError,
} from '@omx/core';

/** Options of `omx worker` as they are typed; `omx up` takes some of them for the workers it starts. */
export interface WorkerWords {
  readonly slots: string;
  readonly role: string;
  readonly label?: readonly string[];
  readonly launcher?: readonly string[];
  readonly lease?: string;
  readonly onLost?: string;
  readonly idleTimeout?: string;
  readonly grace?: string;
  readonly address?: string;
  readonly imageDir?: string;
}

export interface WorkerSettings {
  readonly slots: number | 'auto';
  readonly role: NodeRole;
  readonly labels: Readonly<Record<string, string>>;
  /** The only launchers the node offers; undefined: all it has. */
  readonly launchers?: readonly LauncherName[];
  readonly leaseMs: number;
  /** Undefined: as fits the queue. */
  readonly onLost?: OnLost;
  readonly idleMs?: number;
  /** Undefined: as fits the queue. */
  readonly graceMs?: number;
  /** Undefined: from where it is connected to the queue. */
  readonly reachableAt?: string;
  /** Undefined: images of jobs are kept at other nodes. */
  readonly imageDir?: string;
}

const mostSlots = 10_000;
/** A worker renews its lease every two seconds at least. */
const shortestLeaseMs = 2000;
const longestLeaseMs = 600_000;
const shortestIdleMs = 1000;

/** @throws usage error for a value that cannot be */
export function workerSettings(words: WorkerWords): WorkerSettings {
  const { launcher, onLost, idleTimeout, grace, address, imageDir } = words;
  return {
    slots: parseSlots(words.slots),
    role: oneOf('--role', words.role, nodeRoles),
    labels: parseLabels(words.label ?? []),
    leaseMs: words.lease === undefined ? defaultLeaseMs : parseLease(words.lease),
    ...(launcher === undefined ? {} : parseLaunchers(launcher)),
    ...(onLost === undefined ? {} : { onLost: oneOf('--on-lost', onLost, onLostChoices) }),
    ...(idleTimeout === undefined ? {} : { idleMs: parseIdle(idleTimeout) }),
    ...(grace === undefined ? {} : { graceMs: durationOf('--grace', grace) }),
    ...(address === undefined ? {} : { reachableAt: parseAddress(address) }),
    ...(imageDir === undefined ? {} : { imageDir: parseImageDir(imageDir) }),
  };
}

function parseSlots(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const slots = Number(text);
  if (/^\d+$/.test(text) && slots >= 1 && slots <= mostSlots) return slots;
  throw usageError(
    `--slots: '${text}' is not auto or a number from 1 to ${mostSlots}`,
    text === '0' ? 'a node that gives work away and takes none is --role home' : 'auto is one for each usable CPU',
  );
}

function oneOf<Word extends string>(option: string, text: string, known: readonly Word[]): Word {
  const word = known.find((each) => each === text);
  if (word === undefined) throw usageError(`${option}: there is no '${text}'`, `known are ${known.join(', ')}`);
  return word;
}

function parseLabels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const match = /^([^=\s]+)=(.*)$/.exec(text);
      if (match === null) throw usageError(`--label: '${text}' is not KEY=VALUE`, 'write --label gpu=yes');
      return [match[1], match[2]];
    }),
  ) as Record<string, string>;
}

/** `auto` is all there are. */
function parseLaunchers(texts: readonly string[]): { readonly launchers?: readonly LauncherName[] } {
  const words = texts.flatMap((text) => text.split(',')).map((word) => word.trim());
  const choices = new Set(words.map((word) => oneOf('--launcher', word, launcherChoices)));
  const launchers = [...choices].filter((choice) => choice !== 'auto');
  return choices.has('auto') ? {} : { launchers };
}

function parseLease(text: string): number {
  const ms = durationOf('--lease', text);
  if (ms >= shortestLeaseMs && ms <= longestLeaseMs) return ms;
  throw usageError(
    `--lease: '${text}' is ${ms < shortestLeaseMs ? 'shorter' : 'longer'} than a lease can be`,
    `a lease lasts from ${formatDuration(shortestLeaseMs)} to ${formatDuration(longestLeaseMs)}; ${formatDuration(defaultLeaseMs)} without this option`,
  );
}

function parseIdle(text: string): number {
  const ms = durationOf('--idle-timeout', text);
  if (ms >= shortestIdleMs) return ms;
  throw usageError(`--idle-timeout: '${text}' is less than a second`, 'leave it out to stay, or write 10m');
}

/** Other nodes find it by the same path. It is made if it is not there. */
function parseImageDir(text: string): string {
  if (!isAbsolute(text))
    throw usageError(`--image-dir: '${text}' is no absolute path`, 'write the path that all nodes have the folder at');
  try {
    // Not the folders above it: a disk may not be mounted.
    if (!existsSync(text)) mkdirSync(text, { mode: 0o700 });
    accessSync(text, constants.W_OK | constants.X_OK);
    return text;
  } catch (error) {
    throw usageError(
      `--image-dir: no images can be kept in ${text}: ${errorOf(error).message}`,
      'name a folder that you may write to, on all nodes',
    );
  }
}

/** A port would be another one for each move. */
function parseAddress(text: string): string {
  if (isIP(text) !== 0) return text;
  if (/^[\w-]+(?:\.[\w-]+)*$/.test(text) && !/^[\d.]+$/.test(text)) return text;
  throw usageError(
    `--address: '${text}' is not a host name or an IP address`,
    'write 10.0.0.5 or n1.example.org, without a port',
  );
}

function durationOf(option: string, text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw usageError(`${option}: '${text}' is not a duration`, 'write it as 10m, 90s or 1h30m');
  }
}
