import { bytesOf, type Bytes } from '../bytestring.ts';
import { parsePairs } from './option-values.ts';
import { specError, whereOnCommandLine, within, type Where } from './problem.ts';
import type { RawBatch } from './raw-batch.ts';

/** What `clean-env` leaves: without these few, hardly a program finds its way. */
const keptByCleanEnv = new Set(['HOME', 'LOGNAME', 'PATH', 'SHELL', 'USER']);

/**
 * The environment of a batch's jobs: the submitter's `NAME=VALUE` entries with the changes of `env` and `clean-env`,
 * sorted, so that equal environments have equal digests. `clean-env` keeps HOME, LOGNAME, PATH, SHELL and USER alone.
 * @throws SPEC_INVALID for a pair that is not NAME=VALUE
 */
export function batchEnvironment(
  captured: readonly Bytes[],
  raw: Pick<RawBatch, 'env' | 'clean-env'>,
  where: Where = whereOnCommandLine,
): Bytes[] {
  const entries = new Map(captured.map((entry) => [entry.slice(0, entry.indexOf('=')), entry]));
  if (raw['clean-env'] === true) {
    for (const name of entries.keys()) if (!keptByCleanEnv.has(name)) entries.delete(name);
  }
  const { env } = raw;
  const changes = env === undefined ? [] : within(where(['env']), () => [...parsePairs(env, 'a variable')]);
  for (const [name, value] of changes) {
    if (value.includes('\0')) {
      throw specError(where(['env', name]), 'the value holds a NUL byte, which no variable can');
    }
    entries.set(bytesOf(name), bytesOf(`${name}=${value}`));
  }
  return [...entries.values()].sort();
}
