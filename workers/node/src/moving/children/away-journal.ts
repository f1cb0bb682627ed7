import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { BatchId } from '@omx/core';

/** A child of a job of this node whose copy may run elsewhere: written just before its original is stopped for good. */
export interface AwayNote {
  readonly child: string;
  /** The job's attempt. */
  readonly key: string;
  readonly batch: BatchId;
  readonly ordinal: number;
  readonly attempt: number;
  /** The original. */
  readonly pid: number;
  readonly startTicks: number;
  readonly guest: string;
  /** It was held, so its copy may run. Absent: its copy has no say yet. */
  readonly isHeld?: true;
  /** Signals that the copy has heard of, hexadecimal; bit 0 is signal 1. */
  readonly known: string;
}

/** Folder `away` of a node: a note and a folder for the output for each child that is away, and images on their way. */
export class AwayJournal {
  readonly #top: string;

  constructor(nodeDir: string) {
    this.#top = join(nodeDir, 'away');
  }

  write(note: AwayNote): void {
    mkdirSync(this.resultsOf(note.child), { recursive: true, mode: 0o700 });
    const path = this.#path(note.child);
    writeFileSync(`${path}.new`, JSON.stringify(note), { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  }

  /** Where the copy's output is put together. */
  resultsOf(child: string): string {
    return join(this.#top, child);
  }

  imageOf(child: string): string {
    return join(this.#top, `${child}.image`);
  }

  remove(child: string): void {
    for (const path of [this.#path(child), this.resultsOf(child), this.imageOf(child)])
      rmSync(path, { recursive: true, force: true });
  }

  /** What an earlier worker has left; everything that is no note, or belongs to none, is removed. */
  takeUp(): AwayNote[] {
    const names = existsSync(this.#top) ? readdirSync(this.#top) : [];
    const notes = names.filter((name) => name.endsWith('.json')).map((name) => this.#read(name));
    const kept = new Set(notes.flatMap(({ child }) => [`${child}.json`, child]));
    for (const name of names) if (!kept.has(name)) rmSync(join(this.#top, name), { recursive: true, force: true });
    return notes;
  }

  #read(name: string): AwayNote {
    return JSON.parse(readFileSync(join(this.#top, name), 'utf8')) as AwayNote;
  }

  #path(child: string): string {
    return join(this.#top, `${child}.json`);
  }
}
