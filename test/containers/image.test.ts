import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';

import { containerRun, skipUnlessContainers } from './run.ts';

describe('the image', skipUnlessContainers(), () => {
  let image: string;
  let label: readonly string[];
  beforeAll(() => {
    ({ image, label } = containerRun());
  });

  const docker = (...args: readonly string[]) =>
    execa('docker', args, { reject: false, stdin: 'ignore', timeout: 60_000 });
  const run = (...args: readonly string[]) => docker('run', '--rm', '--label', label.join('='), ...args);

  test('is the command line, and its exit codes come out', async () => {
    expect(await run(image, '--version')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
    expect(await run(image, 'no-such-command')).toMatchObject({ exitCode: 2 });
    expect(await run('-e', 'OMX_REDIS_URL=redis://127.0.0.1:1', image, 'status')).toMatchObject({ exitCode: 3 });
  });

  test('runs as nobody special and holds nothing that only builds omx', async () => {
    const look = 'id -u; command -v cc gcc; ls -d /opt/omx/packages/*/src /opt/omx/node_modules/typescript';
    const { stdout } = await run('--entrypoint', 'sh', image, '-c', look);
    expect(stdout).toBe('1000');
    const size = await docker('image', 'inspect', image, '--format', '{{.Size}}');
    const base = await docker('image', 'inspect', 'node:20-bookworm-slim', '--format', '{{.Size}}');
    expect(Number(size.stdout) - Number(base.stdout)).toBeLessThan(40e6);
  });
});
