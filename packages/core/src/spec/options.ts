import { posix } from 'node:path';

import { parseBytes } from '../bytes.ts';
import { bytesOf, type Bytes } from '../bytestring.ts';
import { parseDuration } from '../duration.ts';
import {
  listOf,
  parseCheckpointEvery,
  parseCpus,
  parseLabels,
  parseLabelText,
  parseLauncher,
  parseMem,
  parseNodes,
  parseOnOff,
  parseOrder,
  parsePath,
  parsePriority,
  parseRetries,
  parseTime,
} from './option-values.ts';
import { specError, within, type Where } from './problem.ts';
import type { OptionName, RawBatch } from './raw-batch.ts';
import { parseAfter, parseBackoff, parseMaxFails, parseRetryOn, retryOnAny } from './retry.ts';
import type { BatchSpec, JobLimits } from './spec.ts';

/** What the options say by themselves, without the command, the jobs and the environment. */
export type CompiledOptions = Omit<BatchSpec, 'name' | 'command' | 'shell' | 'jobs' | 'umask' | 'env' | 'throttle'>;

export const defaultLimits: JobLimits = {
  cpus: 1,
  graceMs: 10_000,
  retries: 0,
  retryOn: retryOnAny,
  backoff: { minMs: 1000, maxMs: 60_000 },
};

/** The raw keys that make up `JobLimits`, which `rerun --set` may change. */
export const limitOptions = [
  'cpus',
  'mem',
  'time',
  'grace',
  'retries',
  'retry-on',
  'backoff',
  'max-output',
] as const satisfies readonly OptionName[];

/** Where a relative path among the options starts. */
export type PathBase = (key: 'cwd' | 'stdin') => Bytes;

/**
 * Compiles the options of a batch: milliseconds, bytes and numbers, defaults filled in.
 * @param cwd the submitter's working directory
 * @throws SPEC_INVALID naming the option
 */
export function compileOptions(raw: RawBatch, where: Where, cwd: Bytes, base: PathBase = () => cwd): CompiledOptions {
  const read = reader(raw, where);
  const stdin = read('stdin', parsePath);
  const folder = read('cwd', parsePath);
  if (stdin === '-') throw specError(where(['stdin']), "'-' cannot be kept with the batch", 'name a file');
  const launcher = read('launcher', parseLauncher) ?? 'auto';
  refuseForLauncher(raw, launcher, where);
  return {
    launcher,
    nodes: read('node', parseNodes) ?? [],
    labels: read('label', parseLabels) ?? {},
    cwd: folder === undefined ? cwd : resolvePath(base('cwd'), folder),
    ...defined('stdin', stdin === undefined ? undefined : resolvePath(base('stdin'), stdin)),
    ...defined('parse', read('parse', parsePath)),
    after: read('after', (after) => listOf(after).map((rule) => parseAfter(rule))) ?? [],
    ...defined('key', read('key', parseLabelText)),
    hold: raw.hold ?? false,
    priority: read('priority', parsePriority) ?? 0,
    order: read('order', parseOrder) ?? 'index',
    ...defined('maxFails', read('max-fails', parseMaxFails)),
    balance: read('balance', parseOnOff) ?? true,
    ...defined('checkpointMs', read('checkpoint-every', parseCheckpointEvery)),
    oversubscribe: raw.oversubscribe ?? false,
    forkMigrate: raw['fork-migrate'] ?? false,
    limits: compileLimits(raw, where),
  };
}

/**
 * Compiles the limits among the options, over those the jobs had before.
 * @throws SPEC_INVALID naming the option
 */
export function compileLimits(
  raw: Pick<RawBatch, (typeof limitOptions)[number]>,
  where: Where,
  base: JobLimits = defaultLimits,
): JobLimits {
  const read = reader(raw, where);
  return {
    ...base,
    ...defined('cpus', read('cpus', parseCpus)),
    ...defined('memBytes', read('mem', parseMem)),
    ...defined('timeMs', read('time', parseTime)),
    ...defined('graceMs', read('grace', parseDuration)),
    ...defined('retries', read('retries', parseRetries)),
    ...defined(
      'retryOn',
      read('retry-on', (causes) => parseRetryOn(listOf(causes))),
    ),
    ...defined('backoff', read('backoff', parseBackoff)),
    ...defined('maxOutputBytes', read('max-output', parseBytes)),
  };
}

/** What only omx's own way of freezing jobs can do, and why the others cannot. */
const criuOnly = {
  'checkpoint-every': 'omx can make no image of such a job',
  oversubscribe: 'omx cannot move such jobs to where there is more room',
  'fork-migrate': 'omx cannot run the children of such a job on other nodes',
} as const satisfies Partial<Record<OptionName, string>>;

function refuseForLauncher(raw: RawBatch, launcher: BatchSpec['launcher'], where: Where): void {
  if (launcher === 'auto' || launcher === 'criu') return;
  for (const [option, reason] of Object.entries(criuOnly) as [keyof typeof criuOnly, string][]) {
    if (raw[option] === undefined || raw[option] === false) continue;
    throw specError(
      where([option]),
      `it does not go with the launcher ${launcher}: ${reason}`,
      'say --launcher criu; without --launcher, criu is used on the nodes that have it',
    );
  }
}

type Reader = <K extends OptionName, T>(key: K, parse: (value: NonNullable<RawBatch[K]>) => T) => T | undefined;

function reader(raw: RawBatch, where: Where): Reader {
  return (key, parse) => {
    const value = raw[key];
    return value === undefined ? undefined : within(where([key]), () => parse(value));
  };
}

/** The property, absent where there is no value. */
function defined<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: T });
}

function resolvePath(from: Bytes, path: string): Bytes {
  return posix.resolve(from, bytesOf(path)) as Bytes;
}
