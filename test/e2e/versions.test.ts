import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { connect, globalKeys, NodeStore, schemaVersion } from '@omx/queue';
import { homeAt } from '@omx/queue/embedded';
import { expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';

const home = useHome();
const socket = (): string => join(home.dir, 'redis.sock');

test('records of another version are refused by commands and workers, and the queue can still be stopped', async () => {
  expect((await home.omx(['submit', '--wait', '-q', 'true'])).code).toBe(0);
  const redis = await connect({ socket: socket() });
  expect(await redis.get(globalKeys.schema)).toBe(String(schemaVersion));
  await redis.set(globalKeys.schema, schemaVersion + 1);
  redis.disconnect();
  const url = `unix://${socket()}`;
  for (const args of [['status'], ['submit', 'true'], ['cancel', 'b1'], ['nodes']]) {
    const refused = await home.omx(args);
    expect(refused.stderr).toMatch(
      /^error: cannot use the queue at [^\n]+ its records are of version 3, and this omx reads version 2\nhint: [^\n]+newer omx[^\n]+\n$/,
    );
    expect(refused).toMatchObject({ code: 3, stdout: '' });
  }
  const worker = await home.omx(['worker', '--name', 'late', '--redis', url], { timeoutMs: 15_000 });
  expect(worker.code).toBe(3);
  expect(worker.stderr).toMatch(/records are of version 3/);
  const doctor = await home.omx(['doctor', '--json']);
  expect(doctor.code).toBe(1);
  expect(doctor.json().checks).toContainEqual(
    expect.objectContaining({ name: 'queue', verdict: 'fail', mend: expect.stringContaining('newer omx') }),
  );
  expect(JSON.parse((await home.omx(['status', '--json'])).stderr).error.code).toBe('QUEUE_VERSION');
  expect((await home.omx(['down'])).code).toBe(0);
});

test('what an older omx has written is not read: there are jobs in it that this one would start otherwise', async () => {
  await home.omx(['up']);
  const redis = await connect({ socket: socket() });
  await redis.set(globalKeys.schema, schemaVersion - 1);
  redis.disconnect();
  const refused = await home.omx(['status']);
  expect(refused).toMatchObject({ code: 3, stdout: '' });
  expect(refused.stderr).toMatch(/of version 1, and this omx reads version 2\nhint: [^\n]+older omx[^\n]+OMX_HOME\n$/);
  expect((await home.omx(['down'])).code).toBe(0);
});

test('a worker of another version that writes the same records works with the others, and doctor remarks it', async () => {
  await home.omx(['up']);
  const redis = await connect({ socket: socket() });
  const nodes = new NodeStore(redis);
  const [mine] = await nodes.list();
  if (mine === undefined) throw new Error('no node came up');
  await nodes.describe({ ...mine, name: 'old', identity: 'old', version: '0.0.9', slots: 0, maxSlots: 0 });
  await nodes.takeLease('old', 'old', 60_000);
  const doctor = await home.omx(['doctor', '--json']);
  expect(doctor.json().checks).toContainEqual(
    expect.objectContaining({ name: 'node old', verdict: 'warn', reason: expect.stringContaining('0.0.9') }),
  );
  expect(doctor.json().checks.filter(({ verdict }: any) => verdict === 'fail')).toEqual([]);
  expect((await home.omx(['submit', '--wait', '-q', 'true'])).code).toBe(0);
  redis.disconnect();
});

test('a worker does not go on with the shepherd of another version: it says so and leaves its jobs alone', async () => {
  const { nodeSocket, nodeDir } = homeAt(home.dir, {});
  mkdirSync(nodeDir('n'), { recursive: true });
  mkdirSync(dirname(nodeSocket('n')), { recursive: true });
  // Its hello says version 2, process 4194304, which cannot be, and no more.
  const hello = Buffer.from([17, 0, 0, 0, 64, 2, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const heard: number[] = [];
  const older = createServer((asker) => {
    asker.on('data', (data) => heard.push(data.length));
    asker.on('error', () => {});
    asker.write(hello);
  }).listen(nodeSocket('n'));
  await once(older, 'listening');
  await home.omx(['status']);
  const worker = await home.omx(['worker', '--name', 'n'], { timeoutMs: 15_000 });
  expect(worker.code).toBe(3);
  expect(worker.stderr).toMatch(
    /^error: the shepherd 4194304 of \S+ speaks version 2, this omx \d+\nhint: .*kill 4194304\n$/m,
  );
  expect(heard).toEqual([]);
  older.close();
});
