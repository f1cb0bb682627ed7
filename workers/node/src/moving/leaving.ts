import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import type { AttemptName } from '@omx/queue';

/** Written just before the original is ended, and removed after the commit: only with it an original may be dead unseen. */
export interface LeavingJournal extends AttemptName {
  readonly to: string;
  readonly why: string;
  readonly image: string;
  /** SHA-256 of the image's manifest, hex. */
  readonly digest: string;
}

/** Linux's number of tmpfs. Source: statfs(2). */
const tmpfs = 0x01021994;
const sharedMemory = '/dev/shm';
/** An image holds the job's memory once; the other half is left to others. */
const roomFactor = 2;
const spareBytes = 64 << 20;

/** The folder of images on their way out of a node, and the journals of those that have gone far. */
export class LeavingFolder {
  readonly #journals: string;
  readonly #inMemory: string;

  constructor(nodeDir: string) {
    this.#journals = join(nodeDir, 'leaving');
    const id = createHash('sha256').update(nodeDir).digest('hex').slice(0, 12);
    this.#inMemory = join(sharedMemory, `omx-${process.geteuid?.() ?? 0}-${id}`);
  }

  /** Where the image of a job with so much memory is written: in a tmpfs where that has room, as it is read but once. */
  imageFor(key: string, rss: number): string {
    const top = hasRoom(rss * roomFactor + spareBytes) ? this.#inMemory : this.#journals;
    mkdirSync(top, { recursive: true, mode: 0o700 });
    return join(top, key);
  }

  write(key: string, journal: LeavingJournal): void {
    mkdirSync(this.#journals, { recursive: true, mode: 0o700 });
    const path = this.#path(key);
    // Not on the disk at once, as a job stands still for it: where the machine itself dies, others decide.
    writeFileSync(`${path}.new`, JSON.stringify(journal), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  read(key: string): LeavingJournal | undefined {
    const path = this.#path(key);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as LeavingJournal) : undefined;
  }

  /** Where a job's folder is put aside while its image is thawed here after all. */
  folderOf(key: string): string {
    return join(this.#journals, `${key}.folder`);
  }

  /** The journal first: without the image it would promise too much. */
  remove(key: string): void {
    const aside = this.folderOf(key);
    const path = this.#path(key);
    for (const each of [
      path,
      `${path}.new`,
      join(this.#journals, key),
      join(this.#inMemory, key),
      aside,
      `${aside}.log`,
    ])
      rmSync(each, { recursive: true, force: true });
    this.tidy();
  }

  /** Removes the folder in shared memory where nothing is in it. */
  tidy(): void {
    try {
      // Nobody would ever empty the shared memory of the folders of nodes that are no more.
      rmdirSync(this.#inMemory);
    } catch {
      // Others are on their way, or there was none.
    }
  }

  /** What earlier workers have left, by key. */
  keys(): string[] {
    const found = [this.#journals, this.#inMemory].flatMap((top) => (existsSync(top) ? readdirSync(top) : []));
    return [...new Set(found.map((name) => name.replace(/\.(json|json\.new|folder|folder\.log)$/, '')))];
  }

  #path(key: string): string {
    return join(this.#journals, `${key}.json`);
  }
}

function hasRoom(bytes: number): boolean {
  try {
    const { type, bavail, bsize } = statfsSync(sharedMemory);
    return type === tmpfs && bavail * bsize >= bytes;
  } catch {
    return false;
  }
}
