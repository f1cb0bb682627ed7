import { defineConfig } from 'vitest/config';

/**
 * Unit tests touch no network and no process of ours; integration runs a real redis-server; e2e runs the built CLI. One
 * kind after the other, as the last keeps all processors busy and the first measures time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'workers/*/test/**/*.test.ts'],
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          // A machine that stands still for seconds may break a test about time; the report marks what needed a second go.
          retry: process.env['CI'] === 'true' ? 1 : 0,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
    reporters: ['default', './test/kit/skip-reporter.ts'],
    maxWorkers: 2,
  },
});
