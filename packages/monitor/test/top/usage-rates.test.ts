import { expect, test } from 'vitest';

import { UsageRates } from '../../src/top/usage-rates.ts';

const usage = (cpu: number, attempt = 1) => ({ batch: 'b1' as const, ordinal: 0, attempt, cpu, rss: 0 });

test('percent of one CPU between two answers of the same node about the same attempt', () => {
  const rates = new UsageRates();
  const look = (node: string, at: number, cpu: number, attempt?: number): number | undefined => {
    const rate = rates.rate(node, { at }, usage(cpu, attempt));
    rates.turn();
    return rate;
  };
  expect(look('vega', 1000, 5)).toBeUndefined();
  expect(look('vega', 2000, 7.5)).toBeCloseTo(250);
  expect(look('vega', 4000, 7.5)).toBe(0);
  expect(look('vega', 5000, 3)).toBe(0);
  expect(look('vega', 100, 3)).toBeUndefined();
  expect(look('vega', 200, 4, 2)).toBeUndefined();
  expect(look('altair', 300, 4, 2)).toBeUndefined();
});

test('what was not seen at a look is forgotten', () => {
  const rates = new UsageRates();
  rates.rate('vega', { at: 0 }, usage(1));
  rates.turn();
  rates.turn();
  expect(rates.rate('vega', { at: 1000 }, usage(2))).toBeUndefined();
});
