import { describe, expect, test } from 'vitest';

import type { LeaseHolder } from '@omx/queue';

import { Lease } from '../src/lease.ts';

function leaseOf(options: { holder?: () => LeaseHolder; answerAfterMs?: number } = {}) {
  const clock = { now: 1000 };
  const lease = new Lease({
    nodes: {
      takeLease: async () => {
        clock.now += options.answerAfterMs ?? 0;
        return options.holder?.() ?? 'us';
      },
    },
    name: 'n1',
    identity: 'id',
    leaseMs: 12_000,
    onLost: 'pause',
    now: () => clock.now,
  });
  return { lease, clock };
}

describe('a lease', () => {
  test('counts from before it was asked for, and ends before others would say so', async () => {
    const { lease, clock } = leaseOf({ answerAfterMs: 3000 });
    expect(lease.holds).toBe(false);
    await lease.renew();
    expect(lease.until).toBe(1000 + 10_000);
    clock.now = 10_999;
    expect(lease.holds).toBe(true);
    clock.now = 11_000;
    expect(lease.holds).toBe(false);
  });

  test('says with a renewal whether it had run out before', async () => {
    const { lease, clock } = leaseOf();
    expect(await lease.renew()).toEqual({ holder: 'us', lost: true });
    clock.now += 9000;
    expect(await lease.renew()).toEqual({ holder: 'us', lost: false });
    clock.now += 10_001;
    expect(await lease.renew()).toEqual({ holder: 'us', lost: true });
    lease.doubt();
    expect(await lease.renew()).toEqual({ holder: 'us', lost: true });
  });

  test('does not grow while another holds it', async () => {
    let holder: LeaseHolder = 'us';
    const { lease, clock } = leaseOf({ holder: () => holder });
    await lease.renew();
    const { until } = lease;
    holder = 'rescuer';
    clock.now += 2000;
    expect(await lease.renew()).toEqual({ holder: 'rescuer', lost: true });
    expect(lease.until).toBe(until);
  });

  test('lasts while nobody listens where the queue is, but does not come to life by that', async () => {
    const { lease, clock } = leaseOf();
    await lease.renew();
    clock.now += 9000;
    expect(lease.queueIsDown()).toBe(true);
    expect(lease.until).toBe(10_000 + 10_000);
    clock.now += 10_001;
    expect(lease.queueIsDown()).toBe(false);
    expect(lease.holds).toBe(false);
  });
});
