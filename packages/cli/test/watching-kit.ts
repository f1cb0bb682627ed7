import { PassThrough } from 'node:stream';

import {
  type Batch,
  type BatchSpec,
  bytesOf,
  defaultLimits,
  freshJob,
  type Job,
  noOutput,
  noUsage,
  type Outcome,
} from '@omx/core';

import type { Io } from '../src/io.ts';

/** An Io of which a test reads what was written. */
export function fakeIo(options: { readonly tty?: boolean; readonly env?: Record<string, string> } = {}) {
  const listeners = new Set<() => void>();
  const texts = { out: '', err: '' };
  const stream = (key: 'out' | 'err') => {
    const through = new PassThrough();
    through.on('data', (data: Buffer) => {
      texts[key] += data.toString();
    });
    return Object.assign(through, { isTTY: options.tty === true, columns: 80 });
  };
  const io: Io = {
    stdin: new PassThrough(),
    stdout: stream('out'),
    stderr: stream('err'),
    env: options.env ?? {},
    cwd: '/',
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return { io, texts, interrupt: () => listeners.forEach((listener) => listener()), listeners };
}

export const submittedAt = Date.parse('2026-01-02T03:04:05.000Z');

export function specOf(more: Partial<BatchSpec> = {}): BatchSpec {
  return {
    name: 'work',
    command: ['work', '{}'].map(bytesOf),
    shell: false,
    jobs: { kind: 'array', ranges: [{ first: 5, last: 14, step: 1 }] },
    launcher: 'auto',
    nodes: [],
    labels: {},
    cwd: bytesOf('/home/ann'),
    umask: 0o22,
    env: '',
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

export function batchOf(spec: Partial<BatchSpec> = {}, more: Partial<Batch> = {}): Batch {
  return {
    id: 'b7',
    spec: specOf(spec),
    total: 10,
    submittedAt,
    untouched: 'queued',
    note: '',
    revisions: [],
    ...more,
  };
}

/** A job that ran from one second after the submit until three after. */
export function endedJob(
  outcome: Outcome,
  more: Partial<Extract<Job, { status: 'ended' }>> = {},
): Extract<Job, { status: 'ended' }> {
  return {
    ...freshJob('queued', submittedAt),
    attempt: 1,
    status: 'ended',
    outcome,
    endedAt: submittedAt + 3000,
    startedAt: submittedAt + 1000,
    launcher: 'plain',
    node: 1,
    usage: noUsage,
    output: noOutput,
    ...more,
  };
}
