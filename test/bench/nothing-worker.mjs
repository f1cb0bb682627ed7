/**
 * A worker whose jobs are nothing: everything of omx but the start of a process, which is said to have ended as soon as it was asked
 * for. For the bench alone: `node nothing-worker.mjs FOLDER URL NAME SLOTS [FAILING-INDEX,…]`.
 */
import { join } from 'node:path';

import { Shepherd } from '@omx/launch';
import { NodeWorker } from '@omx/worker-node';
import { pino } from 'pino';

const [folder, url, name, slots, failing = ''] = process.argv.slice(2);
const failed = new Set(failing.split(',').filter((index) => index !== ''));
const usage = { userUs: 500, sysUs: 500, maxRssKib: 1000 };
const nothing = Buffer.alloc(0);

function endOf(key, now, exitCode) {
  const output = { out: nothing, err: nothing };
  return {
    type: 'ended',
    key,
    pid: 1,
    startedAt: now,
    endedAt: now,
    exitCode,
    reason: 'none',
    usage,
    oomKilled: false,
    outBytes: 0,
    errBytes: 0,
    truncated: false,
    output,
  };
}

/** In the place of the connection to the shepherd. */
class Nothing {
  hello = { running: [], unreported: [] };
  pid = process.pid;
  silentMs = 0;
  suspended = false;
  suspensions = 0;
  #events = [];
  #listener = () => {};

  onEvent(listener) {
    this.#listener = listener;
  }

  start(requests) {
    const now = Date.now();
    if (this.#events.length === 0) setImmediate(() => this.#listener(this.#events.splice(0)));
    for (const { key } of requests) {
      const exitCode = failed.size > 0 && failed.has(key.slice(key.indexOf('.') + 1).split('#')[0]) ? 1 : 0;
      this.#events.push({ type: 'started', key, pid: 1, startedAt: now }, endOf(key, now, exitCode));
    }
  }

  onClose() {}
  defineEnvironment() {}
  forgetEnvironment() {}
  end() {}
  pause() {}
  resume() {}
  lease() {}
  acknowledge() {}
  close() {}
  async quit() {}
}

Shepherd.open = async () => new Nothing();

const worker = new NodeWorker({
  address: { url },
  ...{ name, slots: Number(slots), role: 'both', labels: {}, launchers: ['plain'] },
  nodeDir: join(folder, 'nodes', name),
  shepherdSocket: join(folder, `${name}.sock`),
  ...{ leaseMs: 10_000, onLost: 'pause', graceMs: 0, version: 'bench' },
  log: pino({ level: 'warn' }, pino.destination(2)),
});
process.on('SIGTERM', () => worker.stop({ keepJobs: true }).finally(() => process.exit()));
await worker.start();
console.log('ready');
