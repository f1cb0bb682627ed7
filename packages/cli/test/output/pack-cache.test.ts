import { describe, expect, it } from 'vitest';

import { PackCache } from '../../src/output/pack-cache.ts';

const mib = 2 ** 20;

function store(bytesEach: number) {
  const reads: number[] = [];
  return {
    reads,
    pack: async (_batch: string, number: number) => {
      reads.push(number);
      return [0, 1].map((at) => ({
        ordinal: number * 2 + at,
        attempt: 1,
        out: Buffer.alloc(bytesEach / 2),
        err: Buffer.alloc(0),
      }));
    },
  };
}

describe('PackCache', () => {
  it('reads a pack once for all of its jobs', async () => {
    const packs = store(10);
    const cache = new PackCache(packs);
    for (let ordinal = 0; ordinal < 20; ordinal += 1)
      expect((await cache.find('b1', Math.floor(ordinal / 2), ordinal, 1))?.ordinal).toBe(ordinal);
    expect(packs.reads).toHaveLength(10);
    expect(await cache.find('b1', 0, 0, 2)).toBeUndefined();
    await cache.find('b2', 0, 0, 1);
    expect(packs.reads).toHaveLength(11);
  });

  it('keeps what was used last, within its bounds', async () => {
    const packs = store(20 * mib);
    const cache = new PackCache(packs);
    for (const pack of [0, 1, 2, 0, 3, 0, 1]) await cache.find('b1', pack, pack * 2, 1);
    expect(packs.reads).toEqual([0, 1, 2, 3, 1]);
  });
});
