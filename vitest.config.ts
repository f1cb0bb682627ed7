import { defineConfig } from 'vitest/config';

/** A machine that stands still for seconds may break a test about time; the report marks what needed a second go. */
const retry = process.env['CI'] === 'true' ? 1 : 0;

/**
 * Unit tests touch no network and no process of ours; integration runs a real redis-server; e2e runs the built CLI,
 * cluster and containers do so on several nodes. One kind after the other, as some keep all processors busy and some measure time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'workers/*/test/**/*.test.ts'],
          retry,
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          retry,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          retry,
          // Many of them wait for leases and for jobs; so one more than there are processors.
          maxWorkers: 3,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          retry,
          // Most of them wait most of the time.
          maxWorkers: 3,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          retry,
          // Cases mostly wait for leases to run out.
          maxConcurrency: 4,
          testTimeout: 240_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 5 },
        },
      },
      {
        test: {
          name: 'report-tables',
          include: ['test/report-tables/**/*.test.ts'],
          retry,
          // Alone, as it measures.
          sequence: { groupOrder: 9 },
        },
      },
      {
        test: {
          name: 'containers',
          include: ['test/containers/**/*.test.ts'],
          globalSetup: './test/containers/engine.ts',
          // What is left behind is found by label; a cleaner in a container of its own needs an image from a registry.
          env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
          retry,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 4 },
        },
      },
    ],
    reporters: ['default', './test/kit/skip-reporter.ts'],
    maxWorkers: 2,
  },
});
