import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const bin = join(root, 'packages/cli/dist/bin.js');

/** An embedded queue of its own for one question. */
export function openHome() {
  const dir = mkdtempSync('/tmp/omx-bench-');
  const socket = join(dir, 'redis.sock');
  const env = { ...process.env, OMX_HOME: dir, OMX_REDIS_URL: '', NO_COLOR: '1' };
  const omx = (args, options = {}) => run(process.execPath, [bin, ...args], { env, ...options });
  return {
    ...{ dir, env, socket, omx },
    json: (args) => JSON.parse(omx(args).stdout),
    ...redisAt(socket),
    /** Of its first node. */
    workerPid() {
      const [name] = this.nodeNames();
      return Number(readFileSync(join(dir, 'nodes', name, 'worker.pid'), 'utf8').split('\n')[0]);
    },
    workerRss() {
      return rssOf(this.workerPid());
    },
    nodeNames() {
      return this.json(['up', '--json']).nodes.map((node) => node.name ?? node);
    },
    close() {
      omx(['down']);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/**
 * A Redis server by itself, set as the embedded one is, for workers of the bench's own: `omx` here finds it by its address, and
 * starts no worker.
 */
export function openQueue() {
  const dir = mkdtempSync('/tmp/omx-bench-');
  const socket = join(dir, 'redis.sock');
  const url = `unix://${socket}`;
  const server = startAside(
    'redis-server',
    [
      ...['--port', '0', '--unixsocket', socket, '--dir', dir, '--save', ''],
      ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'],
    ],
    join(dir, 'redis.log'),
  );
  const redis = redisAt(socket);
  awaitThat(() => redis.redis('ping') === 'PONG', 'the Redis server');
  const env = { ...process.env, OMX_HOME: dir, OMX_REDIS_URL: url, NO_COLOR: '1' };
  const omx = (args, options = {}) => run(process.execPath, [bin, ...args], { env, ...options });
  const workers = [];
  return {
    ...{ dir, env, socket, url, omx, ...redis },
    serverPid: server.pid,
    json: (args) => JSON.parse(omx(args).stdout),
    /** Workers of the bench, each a script of this folder with its arguments; they are up when all have said so. */
    startWorkers(script, argumentLists) {
      const logs = argumentLists.map((args) => {
        const log = join(dir, `worker${workers.length}.log`);
        const path = fileURLToPath(new URL(script, import.meta.url));
        workers.push(startAside(process.execPath, [path, ...args], log));
        return log;
      });
      for (const log of logs) awaitThat(() => readFileSync(log, 'utf8').includes('ready'), `${script}: ${log}`);
    },
    workerPids: () => workers.map(({ pid }) => pid),
    stopWorkers() {
      for (const worker of workers.splice(0)) stop(worker);
    },
    close() {
      this.stopWorkers();
      stop(server);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const client = 'redis-cli';

function redisAt(socket) {
  /** One command to the queue's Redis. */
  const redis = (...args) =>
    spawnSync(client, ['-s', socket, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 }).stdout.trim();
  return {
    redis,
    redisBytes: () => Number(/used_memory:(\d+)/.exec(redis('info', 'memory'))?.[1]),
    /** CPU seconds the server has used. */
    redisCpu() {
      const info = redis('info', 'cpu');
      return ['user', 'sys'].reduce(
        (sum, part) => sum + Number(new RegExp(`used_cpu_${part}:([\\d.]+)`).exec(info)?.[1]),
        0,
      );
    },
  };
}

/** Ends with the bench, also where that is killed. */
function startAside(program, args, log) {
  const file = openSync(log, 'w');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: ['ignore', file, file] });
  closeSync(file);
  return child;
}

/** Waits for its end without giving the event loop a turn. */
function stop(child) {
  child.kill('SIGTERM');
  awaitThat(() => stateOf(child.pid) !== 'alive', `the end of ${child.spawnargs[3]}`);
}

function stateOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ') ? 'ended' : 'alive';
  } catch {
    return 'gone';
  }
}

/** Seconds from the moment in which a submit with these words is in the queue to that in which its last job has ended. */
export function batchSeconds(queue, words) {
  const id = queue.omx(['submit', '-q', ...words]).stdout.trim();
  // Milliseconds after the submit.
  const end = () => queue.redis('hget', `omx:{${id}}:sums`, 'end');
  // Seldom, as each look is a process of its own, for which the jobs would have to wait.
  awaitThat(() => end() !== '', `the end of ${id}`, 600_000, 100);
  return Number(end()) / 1000;
}

/** MiB. */
export function rssOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** A worker's is the shepherd, where it has started one. */
export function childrenOf(pid) {
  return run('pgrep', ['-P', String(pid)])
    .stdout.trim()
    .split('\n')
    .map(Number);
}

/** CPU seconds of a process, and with `children` of those it has waited for. */
export function cpuOf(pid, { children = false } = {}) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ').map(Number);
  return (fields[11] + fields[12] + (children ? fields[13] + fields[14] : 0)) / 100;
}

/** Runs a program to its end; throws when it fails. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 30, ...options });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0)
    throw new Error(`${program} ${args.join(' ')}: exit ${result.status ?? result.signal}\n${result.stderr}`);
  return result;
}

/** Why a question cannot be asked where a program is not there. */
export function missingProgram(...names) {
  const absent = names.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  return absent.length === 0 ? undefined : `${absent.join(', ')} not found on PATH`;
}

/**
 * Takes so much memory and gives it back, right before something that will need as much is measured: a page that a virtual machine
 * has not had before is got from its host, for ten times the time, and so who comes second would seem the faster.
 */
export function warmMemory(mib) {
  run(process.execPath, [
    '-e',
    `globalThis.all = Array.from({ length: ${Math.ceil(mib)} }, () => Buffer.alloc(2 ** 20, 1))`,
  ]);
}

/** Seconds one call takes. */
export function seconds(work) {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}

/** Two things timed in turn, so that a machine that slows down slows both; medians and their ratio. `before` each, untimed. */
export function pair(ours, theirs, rounds, before = () => {}) {
  const a = [];
  const b = [];
  for (let round = 0; round < rounds; round += 1) {
    before();
    a.push(seconds(ours));
    before();
    b.push(seconds(theirs));
  }
  const ratios = a.map((time, round) => time / b[round]);
  return { ours: median(a), theirs: median(b), ratio: median(ratios) };
}

export function median(values) {
  return quantile(values, 0.5);
}

export function quantile(values, part) {
  return values.toSorted((x, y) => x - y)[Math.min(values.length - 1, Math.floor(values.length * part))];
}

export function ms(value) {
  return `${(value * 1000).toFixed(0)} ms`;
}

export function sleep(forMs) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}

export function awaitThat(condition, what = String(condition), forMs = 60_000, everyMs = 5) {
  for (const end = performance.now() + forMs; !condition(); sleep(everyMs))
    if (performance.now() > end) throw new Error(`waited ${forMs / 1000} s in vain for ${what}`);
}

export function withHome(work) {
  return within(openHome(), work);
}

export function withQueue(work) {
  return within(openQueue(), work);
}

/** A folder that is gone afterwards. */
export function withFolder(work) {
  const folder = mkdtempSync('/tmp/omx-bench-');
  return within({ folder, close: () => rmSync(folder, { recursive: true, force: true }) }, () => work(folder));
}

/** Also for work that takes turns of the event loop. */
function within(opened, work) {
  let isLater = false;
  try {
    const answer = work(opened);
    isLater = typeof answer?.then === 'function';
    return isLater ? answer.finally(() => opened.close()) : answer;
  } finally {
    if (!isLater) opened.close();
  }
}
