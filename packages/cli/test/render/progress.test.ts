import { zeroCounts } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { createProgress } from '../../src/render/progress.ts';
import { barLine, logLine, type ProgressView } from '../../src/render/progress-line.ts';
import { displayWidth } from '../../src/render/table.ts';
import { fakeIo } from '../watching-kit.ts';

function view(succeeded: number, more: Partial<ProgressView> = {}): ProgressView {
  return {
    label: 'b7',
    total: 40,
    counts: { ...zeroCounts(), succeeded, failed: 2, running: 8, queued: 30 - succeeded },
    ...more,
  };
}

describe('barLine', () => {
  test('says what is done, failed, running and left', () => {
    expect(barLine(view(10, { etaMs: 90_000 }), 100)).toBe(
      'b7 [#########---------------------]  12/40  2 failed  8 running  eta 1m30s',
    );
  });

  test.each([0, 3, 5, 12, 20, 33, 47, 79])('fits into %d columns', (columns) => {
    expect(displayWidth(barLine(view(10, { etaMs: 90_000 }), columns))).toBeLessThanOrEqual(columns);
  });
});

test('a line for a log', () => {
  expect(logLine(view(10))).toBe('b7: 12/40 done (30 %), 2 failed, 8 running');
});

describe('on a terminal', () => {
  test('one line is rewritten, at most ten times a second, and taken away at the end', () => {
    const { io, texts } = fakeIo({ tty: true, env: { NO_COLOR: '1' } });
    const progress = createProgress(io, { progress: false, quiet: false }, 0);
    progress.update(view(1), 0);
    progress.update(view(2), 50);
    progress.update(view(3), 150);
    progress.clear();
    const frames = texts.err.split('\r').slice(1);
    expect(frames).toHaveLength(3);
    expect(frames[0]).toContain('3/40');
    expect(frames[1]).toContain('5/40');
    expect(frames[2]).toBe('\u001b[K');
    expect(texts.err).not.toContain('\u001b[3');
  });

  test('nothing with --quiet', () => {
    const { io, texts } = fakeIo({ tty: true });
    createProgress(io, { progress: true, quiet: true }, 0).update(view(1), 0);
    expect(texts.err).toBe('');
  });
});

describe('elsewhere', () => {
  test('nothing within two seconds, then a line each ten', () => {
    const { io, texts } = fakeIo();
    const progress = createProgress(io, { progress: false, quiet: false }, 0);
    for (const now of [0, 1900, 2000, 5000, 11_900, 12_000]) progress.update(view(Math.floor(now / 1000)), now);
    progress.clear();
    expect(texts.err).toBe('b7: 4/40 done (10 %), 2 failed, 8 running\nb7: 14/40 done (35 %), 2 failed, 8 running\n');
  });

  test('--progress also speaks at once and at each tenth', () => {
    const { io, texts } = fakeIo();
    const progress = createProgress(io, { progress: true, quiet: false }, 0);
    for (const done of [0, 1, 2, 3, 6]) progress.update(view(done), done);
    expect(texts.err.trim().split('\n')).toHaveLength(3);
  });
});
