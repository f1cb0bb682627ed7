import type { Clock, Job, JobLimits, Outcome, RetryRule } from '@omx/core';

/** When the job shall be tried again (milliseconds since the epoch); undefined: not at all. */
export function nextTry(
  job: Job,
  outcome: Outcome,
  limits: JobLimits,
  clock: Clock,
  random = Math.random,
): number | undefined {
  if (job.retries >= limits.retries || !mayRetry(outcome, limits.retryOn)) return undefined;
  return clock.now() + backoffMs(job.retries, limits.backoff, random);
}

/**
 * Exponential backoff with jitter: doubled each time up to the limit, then between half of it and all of it by chance,
 * so that jobs that failed together do not come back together.
 */
export function backoffMs(retriesUsed: number, { minMs, maxMs }: JobLimits['backoff'], random = Math.random): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(retriesUsed, 30));
  return Math.round(full * (0.5 + random() / 2));
}

export function mayRetry(outcome: Outcome, rule: RetryRule): boolean {
  switch (outcome.kind) {
    case 'exited':
      return rule.any || rule.exits === 'all' || rule.exits.includes(outcome.code);
    case 'signalled':
      return rule.any || rule.signal;
    case 'timed-out':
      return rule.any || rule.timeout;
    case 'oom':
      return rule.any || rule.oom;
    case 'not-started':
      return rule.notStarted;
    case 'succeeded':
    case 'cancelled':
    case 'lost':
      return false;
  }
}
