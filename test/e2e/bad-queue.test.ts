import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { type OmxResult, useHome } from '../kit/home.ts';
import { redisOnPort, useRedis } from '../kit/redis.ts';
import { until } from '../kit/until.ts';

/** One line for the error, one for the hint, and nothing on stdout. */
function expectRefusal({ code, stdout, stderr }: OmxResult, message: RegExp, exitCode = 3): void {
  expect(stderr).toMatch(/^error: [^\n]+\n(hint: {2}[^\n]+\n)?$/);
  expect(stderr).toMatch(message);
  expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
}

describe('a queue that cannot be used', () => {
  const home = useHome({ shared: true });
  const redis = useRedis();
  const url = (): string => `unix://${redis.socket}`;

  test.each([
    ['a port where nobody listens', 'redis://127.0.0.1:1', /127\.0\.0\.1:1.*ECONNREFUSED/],
    ['a socket that is not there', 'unix:///tmp/omx-no-such.sock', /omx-no-such\.sock.*ENOENT/],
    ['a host that does not exist', 'redis://no-such-host.invalid:6379', /no-such-host\.invalid/],
  ])('%s', async (_, address, message) => {
    const refused = home.omxSpawn(['submit', '--redis', address, 'true'], { timeoutMs: 15_000 });
    await until(() => refused.stderr().includes('hint:'));
    const saidAt = performance.now();
    expectRefusal(await refused.ended, message);
    // It is not tried again, and nothing is left to wait for.
    expect(performance.now() - saidAt).toBeLessThan(1500);
    expectRefusal(await home.omx(['jobs', '--redis', address, 'b1'], { timeoutMs: 15_000 }), message);
    const json = await home.omx(['status', '--json'], { env: { OMX_REDIS_URL: address }, timeoutMs: 15_000 });
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stderr).error).toMatchObject({
      code: 'REDIS_UNREACHABLE',
      message: expect.stringMatching(message),
    });
  });

  test('a wrong password, and none where one is needed; neither is shown', async () => {
    const secret = await redisOnPort(['--requirepass', 'right']);
    for (const password of [':wrong@', '']) {
      const result = await home.omx(['submit', '--redis', `redis://${password}127.0.0.1:${secret.port}`, 'true']);
      expectRefusal(result, /password/);
      expect(result.stderr).not.toContain('wrong@');
    }
    expect((await home.omx(['status', '--redis', `redis://:right@127.0.0.1:${secret.port}`])).code).toBe(0);
    await secret.stop();
  });

  test('a server that may throw keys away', async () => {
    const evicting = await redisOnPort(['--maxmemory', '10mb', '--maxmemory-policy', 'allkeys-lru']);
    const address = `redis://127.0.0.1:${evicting.port}`;
    const result = await home.omx(['submit', '--redis', address, 'true']);
    expectRefusal(result, /allkeys-lru.*\n.*noeviction/);
    const worker = await home.omx(['worker', '--redis', address, '--name', 'n'], { timeoutMs: 15_000 });
    expect(worker.code).toBe(3);
    expect(worker.stderr).toMatch(/^error: .*allkeys-lru/m);
    expect((await home.omx(['status', '--redis', address, '--json'])).json()).toEqual([]);
    await evicting.stop();
  });

  test('a good one is used, without a config of the home', async () => {
    expect((await home.omx(['submit', '--redis', url(), '-q', 'true'])).stdout).toBe('b1\n');
    expect((await home.omx(['status', '--json'], { env: { OMX_REDIS_URL: url() } })).json()).toHaveLength(1);
    writeFileSync(join(home.dir, 'config.toml'), `redis = "${url()}"\n`);
    expect((await home.omx(['status', '--json'])).json()).toHaveLength(1);
    writeFileSync(join(home.dir, 'config.toml'), 'redis = "nonsense"\n');
    expectRefusal(await home.omx(['status']), /'nonsense' is not a Redis URL/, 2);
    writeFileSync(join(home.dir, 'config.toml'), '# mine\nredi = "x"\n');
    expectRefusal(await home.omx(['status']), /config\.toml:2:1.*'redi'/, 2);
    writeFileSync(join(home.dir, 'config.toml'), '');
  });
});

describe('a server that is too old', () => {
  const home = useHome();

  /**
   * No server so old can be had any more, so this one only says so: it answers PING and INFO as Redis 5 does, and notes
   * everything else it is asked.
   */
  async function redis5(path: string): Promise<{ asked: string[]; stop: () => Promise<void> }> {
    const asked: string[] = [];
    const open = new Set<Socket>();
    const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
    const server = createServer((socket) => {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('data', (data) => {
        for (const [, name = ''] of data.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
          const command = name.toUpperCase();
          if (command === 'INFO')
            socket.write(bulk('# Server\r\nredis_version:5.0.0\r\nloading:0\r\nmaxmemory_policy:noeviction\r\n'));
          else if (command === 'PING') socket.write('+PONG\r\n');
          else {
            asked.push(command);
            socket.write(`-ERR unknown command \`${name}\`, with args beginning with: \r\n`);
          }
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return {
      asked,
      stop: async () => {
        for (const socket of open) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  test('is refused before anything is written there', async () => {
    const server = await redis5(join(home.dir, 'old.sock'));
    try {
      expectRefusal(
        await home.omx(['submit', '--redis', `unix://${home.dir}/old.sock`, 'true'], { timeoutMs: 15_000 }),
        /Redis 5\.0\.0.*6\.2 or newer/,
      );
      // How a connection is opened, and nothing but questions after that.
      expect(new Set(server.asked)).toEqual(new Set(['HELLO', 'CLIENT', 'GET', 'TIME']));
    } finally {
      await server.stop();
    }
  });
});

describe('the home', () => {
  const home = useHome();

  test('that cannot be written is refused, and nothing is made', async () => {
    // Tests may run as root, who may write anywhere but below a file.
    const file = join(home.work, 'file');
    writeFileSync(file, '');
    for (const dir of [file, join(file, 'below'), '/proc/omx']) {
      for (const args of [['submit', 'true'], ['status'], ['up']]) {
        const result = await home.omx(args, { env: { OMX_HOME: dir }, timeoutMs: 15_000 });
        expectRefusal(result, /cannot keep a queue in .*\n.*OMX_HOME/);
      }
      const down = await home.omx(['down'], { env: { OMX_HOME: dir } });
      expect(down.stderr).toMatch(dir !== file ? /^$/ : /^error: cannot make the lock .*\nhint: .*OMX_HOME.*\n$/);
    }
    expect(readFileSync(file, 'utf8')).toBe('');
  });

  test('may have a path too long for a socket, and any characters', async () => {
    const OMX_HOME = join(home.dir, `${'long '.repeat(30)}é`, 'home');
    const env = { OMX_HOME };
    expect((await home.omx(['submit', '--wait', '-q', 'true'], { env })).code).toBe(0);
    expect((await home.omx(['nodes', '--json'], { env })).jsonLines()).toHaveLength(1);
    expect((await home.omx(['down'], { env })).code).toBe(0);
    expect(existsSync(join(OMX_HOME, 'redis.pid'))).toBe(false);
  });

  test('two commands that start it at once start one queue and one worker', async () => {
    const started = await Promise.all([
      home.omx(['up', '--json']),
      home.omx(['up', '--json']),
      home.omx(['submit', '-q', 'true']),
    ]);
    expect(started.map(({ code, stderr }) => ({ code, stderr }))).toEqual(started.map(() => ({ code: 0, stderr: '' })));
    const [one, two] = started.slice(0, 2).map((result) => result.json());
    expect(one.nodes).toHaveLength(1);
    expect(two.nodes.map(({ name, pid }: any) => ({ name, pid }))).toEqual(
      one.nodes.map(({ name, pid }: any) => ({ name, pid })),
    );
    expect((await home.omx(['nodes', '--json'])).jsonLines()).toHaveLength(1);
    expect((await home.omx(['wait', 'last'])).code).toBe(0);
  });

  test('with pid files that name other processes, or none, is started all the same', async () => {
    const { nodes } = (await home.omx(['up', '--json'])).json();
    expect((await home.omx(['down'])).code).toBe(0);
    const [name] = nodes.map((node: any) => node.name);
    mkdirSync(join(home.dir, 'nodes', name), { recursive: true });
    const alike = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)', 'bin.js', 'worker', 'x']);
    onTestFinished(() => void alike.kill());
    // Once a process that lives and is another, once a worker of another time, once one that cannot be, once no number.
    for (const content of [`${process.pid}\n`, `${alike.pid}\n1\n`, '4194305\n', 'nonsense\n']) {
      for (const file of ['redis.pid', `nodes/${name}/worker.pid`]) writeFileSync(join(home.dir, file), content);
      writeFileSync(join(home.dir, 'start.lock'), '4194305 1\n');
      writeFileSync(join(home.dir, 'up.lock'), '4194305 1\n');
      expect((await home.omx(['submit', '--wait', '-q', 'true'], { timeoutMs: 20_000 })).code).toBe(0);
      expect((await home.omx(['down'])).code).toBe(0);
    }
  });

  test('without a Redis server on the machine says how to get one', async () => {
    const result = await home.omx(['submit', 'true'], { env: { OMX_REDIS_SERVER: '/nowhere/redis-server' } });
    expectRefusal(result, /\/nowhere\/redis-server is not a program\n.*apt-get install redis-server/);
    rmSync(join(home.dir, 'redis'), { recursive: true, force: true });
  });
});
