import { type BatchSpec, bytesOf, defaultLimits } from '@omx/core';

/** A batch of so many `true`, for tests that go below the command line. */
export function arraySpec(total: number, more: Partial<BatchSpec> = {}): BatchSpec {
  return {
    name: 'test',
    command: [bytesOf('true')],
    shell: false,
    jobs: { kind: 'array', ranges: [{ first: 1, last: total, step: 1 }] },
    launcher: 'auto',
    nodes: [],
    labels: {},
    cwd: bytesOf('/'),
    umask: 0o22,
    env: 'none',
    after: [],
    hold: false,
    priority: 0,
    order: 'index',
    balance: true,
    oversubscribe: false,
    forkMigrate: false,
    limits: defaultLimits,
    ...more,
  };
}
