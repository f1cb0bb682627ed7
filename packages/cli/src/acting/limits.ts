import { compileLimits, defaultLimits, type JobLimits, limitOptions, nearest, usageError } from '@omx/core';

const fields = {
  cpus: 'cpus',
  mem: 'memBytes',
  time: 'timeMs',
  grace: 'graceMs',
  retries: 'retries',
  'retry-on': 'retryOn',
  backoff: 'backoff',
  'max-output': 'maxOutputBytes',
} as const satisfies Record<(typeof limitOptions)[number], keyof JobLimits>;

/**
 * `rerun --set mem=8GiB --set time=2h`: the limits it changes, and no others.
 * @throws usage error for an unknown option, SPEC_INVALID for a value it cannot have
 */
export function parseSet(texts: readonly string[]): Partial<JobLimits> {
  const raw: Partial<Record<(typeof limitOptions)[number], string>> = {};
  for (const text of texts) {
    const [, name = '', value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (value === undefined) throw usageError(`--set: '${text}' is not OPTION=VALUE`, 'write it as mem=8GiB');
    const option = limitOptions.find((known) => known === name);
    if (option === undefined) {
      const guess = nearest(name, limitOptions);
      throw usageError(
        `--set: '${name}' is not a limit of a job${guess === undefined ? '' : `; did you mean ${guess}?`}`,
        `limits are ${limitOptions.join(', ')}`,
      );
    }
    raw[option] = value;
  }
  const compiled = compileLimits(raw, ([key]) => `--set ${String(key)}`, defaultLimits);
  return Object.fromEntries(
    limitOptions
      .filter((option) => raw[option] !== undefined)
      .map((option) => [fields[option], compiled[fields[option]]]),
  );
}
