/** BullMQ's own worker, one job a task: `node bullmq-worker.mjs SOCKET CONCURRENCY [PROGRAM]`; without a program it does nothing. */
import { spawn } from 'node:child_process';

import { bullmq } from './bullmq-peer.mjs';

const [path, concurrency, program] = process.argv.slice(2);

async function nothing() {}

/** Its output and how it ended are kept, as omx keeps them. */
async function start() {
  return new Promise((resolve, reject) => {
    const out = [];
    const child = spawn(program, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (data) => out.push(data));
    child.stderr.on('data', (data) => out.push(data));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, out: Buffer.concat(out).toString() }));
  });
}

const worker = new bullmq.Worker('peer', program === undefined ? nothing : start, {
  connection: { path, maxRetriesPerRequest: null },
  concurrency: Number(concurrency),
  // Kept like omx's records where the outcome matters; its fastest setting where nothing is to be known afterwards.
  ...(program === undefined ? { removeOnComplete: { count: 0 } } : {}),
});
process.on('SIGTERM', () => worker.close(true).finally(() => process.exit()));
await worker.waitUntilReady();
console.log('ready');
