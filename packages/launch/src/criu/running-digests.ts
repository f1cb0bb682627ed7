import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { imageParts } from './manifest.ts';

/** What is known of one file: it had this digest when it had this size. */
export interface KnownDigest {
  readonly size: number;
  readonly sha256: string;
}

/**
 * Below, to hash the memory once it is there takes less time than to watch it come. Bytes of resident memory; to start the
 * thread takes as much of a processor as to hash 45 MB, but before the job stands still.
 */
export const runningDigestsBytes = 8 << 20;

/**
 * Reads on as the files grow, and hashes what has come. A file that was replaced meanwhile is another one, of which it says nothing; so
 * whoever asks has to hash what is missing.
 */
const following = `
  const { createHash } = require('node:crypto');
  const { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } = require('node:fs');
  const { parentPort, workerData: { folder, shared } } = require('node:worker_threads');
  const [state, buffer, files] = [new Int32Array(shared), Buffer.allocUnsafe(1 << 20), new Map()];
  const quietly = (work, otherwise) => { try { return work(); } catch { return otherwise; } };
  const readOn = () => {
    for (const name of quietly(() => readdirSync(folder), []))
      if (/^pages-\\d+\\.img$/.test(name) && !files.has(name)) {
        const fd = quietly(() => openSync(folder + '/' + name, 'r'));
        if (fd !== undefined) files.set(name, { fd, size: 0, hash: createHash('sha256') });
      }
    for (const file of files.values())
      for (let got; state[0] < 2 && (got = readSync(file.fd, buffer)) > 0; file.size += got) file.hash.update(buffer.subarray(0, got));
  };
  for (; state[0] === 0; Atomics.wait(state, 0, 0, 2)) readOn();
  if (state[0] === 1) readOn();
  parentPort.postMessage([...files].flatMap(([name, { fd, size, hash }]) => {
    const isSame = quietly(() => statSync(folder + '/' + name).ino, 0) === fstatSync(fd).ino;
    closeSync(fd);
    return isSame ? [[name, { size, sha256: hash.digest('hex') }]] : [];
  }));`;

/** Digests of a job's memory in an image, found while it is still being written or received, in a thread of its own. */
export class RunningDigests {
  readonly #state = new Int32Array(new SharedArrayBuffer(4));
  readonly #thread: Worker;
  readonly #found: Promise<ReadonlyMap<string, KnownDigest>>;

  /** @param image its folder, which need not be there yet */
  constructor(image: string) {
    const workerData = { folder: join(image, imageParts.criu), shared: this.#state.buffer };
    this.#thread = new Worker(following, { eval: true, workerData });
    this.#found = new Promise((resolve) => {
      this.#thread.once('message', (files: readonly (readonly [string, KnownDigest])[]) =>
        resolve(new Map(files.map(([name, known]) => [`${imageParts.criu}/${name}`, known]))),
      );
      this.#thread.once('error', () => resolve(new Map()));
      this.#thread.once('exit', () => resolve(new Map()));
    });
  }

  /** By paths as in a manifest, once nobody writes any more. What it could not see is missing. */
  finish(): Promise<ReadonlyMap<string, KnownDigest>> {
    this.#tell(1);
    return this.#found;
  }

  /** Nobody asks for them. */
  stop(): void {
    this.#tell(2);
  }

  #tell(state: 1 | 2): void {
    if (Atomics.load(this.#state, 0) !== 0) return;
    Atomics.store(this.#state, 0, state);
    Atomics.notify(this.#state, 0);
  }
}
