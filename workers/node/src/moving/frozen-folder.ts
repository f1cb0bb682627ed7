import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Usage } from '@omx/core';
import type { CapsuleShape } from '@omx/launch';

/** What is kept of a job that its user has frozen, beside its image; its own folder stays where it was. */
export interface FrozenState {
  readonly shape: CapsuleShape;
  /** Over its whole life so far. */
  readonly usage: Usage;
  /** How long it has run, for its time limit, milliseconds. */
  readonly ranMs: number;
}

/**
 * `frozen/KEY` in the node's state folder:
 *
 *   image/       as `freeze` makes it
 *   state.json   from just before the original is ended until just before the copy is let go: with it, and without a
 *                living process or an end of its own, the job is frozen
 */
export class FrozenFolder {
  readonly image: string;
  readonly log: string;
  readonly #path: string;
  readonly #state: string;

  constructor(nodeDir: string, key: string) {
    this.#path = join(nodeDir, 'frozen', key);
    this.image = join(this.#path, 'image');
    this.log = join(this.#path, 'log');
    this.#state = join(this.#path, 'state.json');
  }

  /** The keys of all that have a folder, complete or not. */
  static keys(nodeDir: string): string[] {
    const folder = join(nodeDir, 'frozen');
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  /** Undefined where the job is not frozen. */
  read(): FrozenState | undefined {
    return existsSync(this.#state) ? (JSON.parse(readFileSync(this.#state, 'utf8')) as FrozenState) : undefined;
  }

  write(state: FrozenState): void {
    mkdirSync(this.#path, { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#state}.new`, JSON.stringify(state), { mode: 0o600, flush: true });
    renameSync(`${this.#state}.new`, this.#state);
  }

  /** From now on the job is not frozen any more. */
  forgetState(): void {
    rmSync(this.#state, { force: true });
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
