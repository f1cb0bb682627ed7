import { expect, test, vi } from 'vitest';

const loaded = vi.hoisted(() => ({ piscina: false }));
vi.mock('piscina', () => {
  loaded.piscina = true;
  return {};
});

test('importing the package, checking a parser and making a pool load no piscina', async () => {
  const { checkParser, ResultsPool } = await import('../src/index.ts');
  checkParser('fib');
  await new ResultsPool().close();
  expect(loaded.piscina).toBe(false);
});
