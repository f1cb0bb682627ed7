import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { capsuleShape } from '../../src/criu/index.ts';
import { compile, Job, programs, skip } from './kit.ts';

const burner = (mode: string, seconds = 2): readonly string[] => [
  compile(join(programs, 'burner.c'), 'burner'),
  mode,
  String(seconds),
];
const byRoot = process.geteuid?.() === 0;
const shapes = [['a user namespace', true], ...(byRoot ? ([['no user namespace', false]] as const) : [])] as const;

const sorted = (text: string): string => text.split('\n').sort().join('\n');

describe.each(shapes)('in a capsule with %s', (_, userNamespace) => {
  const shape = { ...capsuleShape(), userNamespace };
  const start = (command: readonly string[]): Job => Job.start(command, shape);

  test.each(['loop', 'fork', 'deaf', 'timers', 'file', 'memory'])(
    '%s: moved ten times it writes and ends as if it had not been moved, and its usage is right',
    { ...skip, timeout: 120_000 },
    async (mode) => {
      const still = await start(burner(mode)).end();
      expect(still.status?.usage.userUs).toBeGreaterThan(1e6);

      const job = start(burner(mode));
      await job.progress();
      for (let i = 0; i < 10; i++) {
        await job.move(i % 2 === 0 ? 'other' : 'same');
        await job.progress();
      }
      const moved = await job.end();
      expect(job.moves).toBe(10);
      // Children write as they come.
      const order = mode === 'fork' ? sorted : (text: string): string => text;
      expect(order(moved.out)).toBe(order(still.out));
      expect(moved.err).toBe('');
      expect(moved.ended).toEqual(still.ended);
      const cpu = ({ userUs = 0, sysUs = 0 } = {}): number => userUs + sysUs;
      expect(cpu(moved.usage) / cpu(still.usage)).toBeGreaterThan(0.95);
      expect(cpu(moved.usage) / cpu(still.usage)).toBeLessThan(1.05);
      if (mode === 'memory') expect(moved.usage?.maxRssKib).toBeGreaterThan(64 << 10);
    },
  );
});
