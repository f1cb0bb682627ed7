import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'packages/cli/dist/bin.js');

/** An embedded queue of its own for one question. */
export function openHome() {
  const dir = mkdtempSync('/tmp/omx-bench-');
  const env = { ...process.env, OMX_HOME: dir, OMX_REDIS_URL: '', NO_COLOR: '1' };
  const omx = (args, options = {}) => run(process.execPath, [bin, ...args], { env, ...options });
  return {
    dir,
    omx,
    json: (args) => JSON.parse(omx(args).stdout),
    /** One command to the embedded Redis. */
    redis: (...args) => run('redis-cli', ['-s', join(dir, 'redis.sock'), ...args]).stdout.trim(),
    redisBytes() {
      return Number(/used_memory:(\d+)/.exec(this.redis('info', 'memory'))?.[1]);
    },
    workerRss() {
      const [name] = this.json(['up', '--json']).nodes.map((node) => node.name ?? node);
      const pid = readFileSync(join(dir, 'nodes', name, 'worker.pid'), 'utf8').split('\n')[0];
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
    },
    close() {
      omx(['down']);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Runs a program to its end; throws when it fails. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 30, ...options });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0)
    throw new Error(`${program} ${args.join(' ')}: exit ${result.status ?? result.signal}\n${result.stderr}`);
  return result;
}

/** Seconds one call takes. */
export function seconds(work) {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}

/** Two things timed in turn, so that a machine that slows down slows both; medians and their ratio. */
export function pair(ours, theirs, rounds) {
  const a = [];
  const b = [];
  for (let round = 0; round < rounds; round += 1) {
    a.push(seconds(ours));
    b.push(seconds(theirs));
  }
  const ratios = a.map((time, round) => time / b[round]);
  return { ours: median(a), theirs: median(b), ratio: median(ratios) };
}

export function median(values) {
  return values.toSorted((x, y) => x - y)[Math.floor(values.length / 2)];
}
