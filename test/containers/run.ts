import { inject } from 'vitest';

import type { ContainerRun } from './engine.ts';

/** Options for `describe`: skips with the reason where there are no containers. */
export function skipUnlessContainers(): { skip: boolean; meta: { skipReason?: string } } {
  const { reason } = inject('containers');
  return reason === '' ? { skip: false, meta: {} } : { skip: true, meta: { skipReason: reason } };
}

/**
 * What this run made for its container tests.
 * @throws where the image could not be built, so not while tests are collected
 */
export function containerRun(): ContainerRun {
  const run = inject('containers');
  if (run.broken !== '') throw new Error(run.broken);
  return run;
}
