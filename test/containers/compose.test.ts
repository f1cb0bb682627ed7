import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';
import { freePort } from '../kit/redis.ts';
import { until } from '../kit/until.ts';
import { containerRun, skipUnlessContainers } from './run.ts';
import { composeProject } from './sweep.ts';

const compose = await composeCommand();
const skip =
  compose === undefined ? { skip: true, meta: { skipReason: 'needs docker compose' } } : skipUnlessContainers();

describe('docker/compose.yml', skip, () => {
  const home = useHome({ shared: true });
  const [program = '', ...words] = compose ?? [];
  let port: number;

  async function composed(...args: string[]) {
    const { image, label } = containerRun();
    return execa(program, [...words, '-p', composeProject(label[1]), '-f', 'docker/compose.yml', ...args], {
      env: { OMX_IMAGE: image, OMX_REDIS_PORT: String(port), OMX_NODE_CPUS: '0.5' },
      reject: false,
      stdin: 'ignore',
      timeout: 90_000,
    });
  }
  const omx: typeof home.omx = (args) => home.omx(args, { env: { OMX_REDIS_URL: `redis://127.0.0.1:${port}` } });

  beforeAll(async () => {
    port = await freePort();
    const up = await composed('up', '-d', '--scale', 'node=3');
    expect(up, up.stderr).toMatchObject({ exitCode: 0 });
  });
  afterAll(async () => {
    const down = await composed('down', '-v', '-t', '1');
    expect(down, down.stderr).toMatchObject({ exitCode: 0 });
  });

  test('three nodes work, for omx outside and inside', async () => {
    const nodes = await until(async () => (await omx(['nodes', '--json'])).jsonLines(), {
      is: (found) => found.length === 3 && found.every(({ state }) => state === 'up'),
      timeoutMs: 60_000,
    });
    // Half a processor each.
    expect(nodes.map(({ slots }) => slots)).toEqual([1, 1, 1]);
    const ran = await omx(['run', '--cwd', '/', '--array', '1-9', '--', 'sh', '-c', 'hostname; sleep 0.5']);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(new Set(ran.lines())).toEqual(new Set(nodes.map(({ name }) => name)));

    const inside = await composed('exec', '-T', 'node', 'omx', 'jobs', 'last', '--json');
    expect(inside.stdout.split('\n')).toHaveLength(9);
    await until(() => composed('ps'), {
      is: ({ stdout }) => stdout.match(/\(healthy\)/g)?.length === 4,
      timeoutMs: 60_000,
    });
  });
});

/** `docker compose`, or the older program. */
async function composeCommand(): Promise<readonly string[] | undefined> {
  for (const command of [['docker', 'compose'], ['docker-compose']] as const) {
    const { exitCode } = await execa(command[0], [...command.slice(1), 'version'], { reject: false });
    if (exitCode === 0) return command;
  }
  return undefined;
}
