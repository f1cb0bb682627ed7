import type { NodeInfo, OnLost } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { holderReasons } from '../../src/why/holder.ts';

const now = Date.parse('2026-11-22T10:00:00Z');

function reasons(more: Partial<NodeInfo>): string {
  const node = {
    name: 'n1',
    state: 'up',
    reason: '',
    lastSeen: now - 60_000,
    leaseMs: 12_000,
    onLost: 'pause',
    ...more,
  };
  return holderReasons(node as NodeInfo, now).join('\n');
}

describe('what the state of its node means for a job', () => {
  test('is nothing where the node is up or unknown', () => {
    expect(reasons({})).toBe('');
    expect(holderReasons(undefined, now)).toEqual([]);
  });

  test.each(['draining', 'quarantined'] as const)('that is %s is that this job finishes', (state) => {
    expect(reasons({ state, reason: 'new disk' })).toBe(
      `n1 is ${state} (new disk): it takes no more jobs, and this one goes to another node if it can be moved, or finishes there`,
    );
  });

  test.each<[OnLost, RegExp]>([
    ['pause', /stops the job \(--on-lost pause\) and another node runs it anew, not charged to --retries/],
    ['stop', /ends the job \(--on-lost stop\) and another node runs it anew/],
    ['finish', /lets the job finish \(--on-lost finish\).*omx nodes --forget n1/],
  ])('out of touch, with --on-lost %s, is since when and what will happen', (onLost, fate) => {
    const text = reasons({ state: 'down', onLost });
    expect(text).toMatch(/out of touch since .*, 1m ago/);
    expect(text).toMatch(/for 12s \(--lease\)/);
    expect(text).toMatch(fate);
  });
});
