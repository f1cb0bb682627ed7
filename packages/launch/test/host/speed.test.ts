import { expect, test } from 'vitest';
import { measureSpeed } from '../../src/host/speed.ts';
import { until } from '../shepherd/kit.ts';

test('the speed of a CPU is quickly measured, and the same when measured again', async () => {
  const processor = process.cpuUsage();
  const speed = measureSpeed();
  const { user } = process.cpuUsage(processor);
  expect(speed).toBeGreaterThan(1);
  expect(Number.isInteger(speed)).toBe(true);
  expect(user).toBeLessThan(100_000);
  // A busy machine may disturb a measurement, but not one after the other.
  await until('two that are alike', () => Math.abs(measureSpeed() / measureSpeed() - 1) < 0.05);
});
