import { type Batch, type BatchSpec, bytesOf, defaultLimits } from '@omx/core';

/** A batch of three jobs, `prog x`, with what a test needs different. */
export function batchOf(change: Partial<Omit<Batch, 'spec'>> = {}, spec: Partial<BatchSpec> = {}): Batch {
  return {
    id: 'b7',
    total: 3,
    submittedAt: 0,
    untouched: 'queued',
    note: '',
    revisions: [],
    ...change,
    spec: {
      name: 'prog',
      command: [bytesOf('prog'), bytesOf('x')],
      shell: false,
      jobs: { kind: 'array', ranges: [{ first: 1, last: 3, step: 1 }] },
      launcher: 'auto',
      nodes: [],
      labels: {},
      cwd: bytesOf('/'),
      umask: 0o022,
      env: '',
      after: [],
      hold: false,
      priority: 0,
      order: 'index',
      balance: true,
      oversubscribe: false,
      forkMigrate: false,
      limits: defaultLimits,
      ...spec,
    },
  };
}
