import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';

import { bufferOf, bytesOf, type Bytes, textOf } from '@omx/core';
import type { Shepherd, ShepherdEvent } from '@omx/launch';

/** What does not answer for so long is broken: a file server that is gone, or a machine that starves. */
const patienceMs = 10_000;
const probeBytes = Buffer.alloc(256 * 1024, 'omx');
const environment = 'self-test';
/** What a folder that a batch names may fail by and the node be to blame; that it is missing may be the batch's fault. */
const diskFaults = new Set(['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'ESTALE', 'ENOTCONN', 'EHOSTDOWN', 'ETIMEDOUT']);

/** Folders that the jobs in question use. */
export interface BatchFolders {
  readonly cwd: Bytes;
  readonly tmp?: Bytes;
}

interface SelfTestOptions {
  readonly nodeDir: string;
  readonly shepherd: Pick<Shepherd, 'start' | 'end' | 'defineEnvironment'>;
}

/** Whether this node can do what every job needs: write files where everybody does, and start a process. */
export class SelfTest {
  readonly #options: SelfTestOptions;
  readonly #hanging = new Set<string>();
  #started = 0;
  #waiting: { readonly key: string; readonly tell: (event: ShepherdEvent) => void } | undefined;

  constructor(options: SelfTestOptions) {
    this.#options = options;
  }

  /** @returns what is wrong; undefined where nothing is */
  async run(folders: readonly BatchFolders[] = []): Promise<string | undefined> {
    const { nodeDir } = this.#options;
    const faults = await Promise.all([
      this.#inTime('write in', '/tmp', async () => writes('/tmp')),
      this.#inTime('write in', nodeDir, async () => writes(nodeDir)),
      this.#inTime('write in', '/dev/shm', async () => ofDisk(await writes('/dev/shm'))),
      ...unique(folders.flatMap(({ tmp }) => tmp ?? [])).map(async (tmp) =>
        this.#inTime('keep temporary files in', textOf(tmp), async () => ofDisk(await writes(bufferOf(tmp)))),
      ),
      ...unique(folders.map(({ cwd }) => cwd)).map(async (cwd) =>
        this.#inTime('work in', textOf(cwd), async () => ofDisk(await reads(bufferOf(cwd)))),
      ),
    ]);
    return faults.find((fault) => fault !== undefined)?.text ?? this.#startsProcess();
  }

  /** An event of a process that is no job's. */
  hear(event: ShepherdEvent): void {
    if (event.key === this.#waiting?.key) this.#waiting.tell(event);
  }

  /** A look that hangs holds one of the few threads for files, so it is not begun a second time. */
  async #inTime(use: string, folder: string, look: () => Promise<Fault | undefined>): Promise<Fault | undefined> {
    const what = `${use} ${folder}`;
    const silent: Fault = { code: 'ETIMEDOUT', text: `it cannot ${what}, which does not answer` };
    if (this.#hanging.has(what)) return silent;
    this.#hanging.add(what);
    const looking = look().finally(() => this.#hanging.delete(what));
    return within(looking, silent);
  }

  async #startsProcess(): Promise<string | undefined> {
    const { shepherd, nodeDir } = this.#options;
    this.#started += 1;
    // The process id keeps it apart from one an earlier worker asked for.
    const key = `self-test#${process.pid}.${this.#started}`;
    const answer = new Promise<ShepherdEvent>((resolve) => {
      this.#waiting = {
        key,
        tell: (event) => {
          if (event.type !== 'started') resolve(event);
        },
      };
    });
    shepherd.defineEnvironment(environment, []);
    shepherd.start([
      {
        key,
        argv: ['/bin/sh', '-c', ':'].map((word) => bytesOf(word)),
        environment,
        extraEnv: [],
        cwd: bytesOf('/'),
        umask: 0o077,
        stdin: bytesOf('/dev/null'),
        stdout: bytesOf(join(nodeDir, 'self-test.out')),
        stderr: bytesOf(join(nodeDir, 'self-test.err')),
        timeMs: 2 * patienceMs,
        graceMs: 0,
        maxOutputBytes: 0,
      },
    ]);
    const event = await within(answer, undefined);
    this.#waiting = undefined;
    if (event === undefined) {
      shepherd.end(key, 'cancel', 0);
      return `/bin/sh does not end within ${patienceMs / 1000} s`;
    }
    if (event.type === 'refused')
      return event.stage === 'lease' ? undefined : `it cannot start /bin/sh (${event.stage}: ${describe(event.errno)})`;
    if (event.type !== 'ended' || event.exitCode === 0 || event.reason !== 'none') return undefined;
    return `/bin/sh ends with ${event.signal === undefined ? `code ${event.exitCode}` : `signal ${event.signal}`} there`;
  }
}

interface Fault {
  readonly code: string;
  readonly text: string;
}

function ofDisk(fault: Fault | undefined): Fault | undefined {
  return fault !== undefined && diskFaults.has(fault.code) ? fault : undefined;
}

/** Writes a file, reads it back and removes it. */
async function writes(folder: string | Buffer): Promise<Fault | undefined> {
  const path = Buffer.concat([Buffer.from(folder), Buffer.from(`/.omx-self-test-${randomUUID()}`)]);
  try {
    await writeFile(path, probeBytes, { flag: 'wx', mode: 0o600 });
    if ((await readFile(path)).equals(probeBytes)) return undefined;
    return { code: 'EIO', text: `a file written in ${String(folder)} reads back as something else` };
  } catch (error) {
    return faultOf(`it cannot write in ${String(folder)}`, error);
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

async function reads(folder: Buffer): Promise<Fault | undefined> {
  try {
    await readdir(folder);
    return undefined;
  } catch (error) {
    return faultOf(`it cannot read ${folder.toString()}`, error);
  }
}

function faultOf(what: string, error: unknown): Fault {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  return { code, text: `${what}: ${describe(code)}` };
}

/** `ENOSPC, no space left on device`. */
function describe(code: string): string {
  const [, text] = [...getSystemErrorMap().values()].find(([name]) => name === code) ?? [];
  return text === undefined ? code : `${code}, ${text}`;
}

async function within<T, U>(promise: Promise<T>, otherwise: U): Promise<T | U> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<U>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), patienceMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
