import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';

test('what a killed process has left of its gates is removed, and nobody else’s', async () => {
  const top = mkdtempSync(join(tmpdir(), 'omx-gates-'));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(top, { recursive: true });
  });
  vi.stubEnv('TMPDIR', top);
  const { makeGateFolder } = await import('../../src/criu/gate-folder.ts');
  const { folder: own } = makeGateFolder();
  const [, , space, pid, start] = basename(own).split('-');
  expect(pid).toBe(String(process.pid));
  const dead = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim();
  const [left, elsewhere, foreign] = [`${space}-${dead}-${start}`, `1-${dead}-${start}`, 'something'].map((name) =>
    join(top, `omx-gate-${name}-abcdef`),
  ) as [string, string, string];
  for (const folder of [left, elsewhere, foreign]) mkdirSync(folder);
  // Once a process.
  vi.resetModules();
  const { folder } = (await import('../../src/criu/gate-folder.ts')).makeGateFolder();
  expect([left, own, elsewhere, foreign, folder].map((each) => existsSync(each))).toEqual([
    false,
    true,
    true,
    true,
    true,
  ]);
});
