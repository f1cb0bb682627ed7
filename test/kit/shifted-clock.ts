import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll } from 'vitest';

/**
 * An environment in which a program's clock is off. The shepherd is linked statically and keeps the right time, so a node
 * that is off is made by shifting the server's clock instead.
 */
export function useShiftedClock(): (ms: number) => Record<string, string> {
  const dir = mkdtempSync('/tmp/omx-clock-');
  const library = `${dir}/shifted-clock.so`;
  beforeAll(async () => {
    const source = fileURLToPath(new URL('shifted-clock.c', import.meta.url));
    await execa('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl']);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return (ms) => ({ LD_PRELOAD: library, SHIFT_CLOCK_MS: String(ms) });
}
