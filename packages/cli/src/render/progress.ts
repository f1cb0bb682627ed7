import { doneCount } from '@omx/core';

import type { Io } from '../io.ts';
import { type Paint, stderrPainter } from './paint.ts';
import { barLine, logLine, type ProgressView } from './progress-line.ts';

const redrawMs = 100;
/** What ends sooner needs no progress in a log. */
const quietMs = 2000;
const logEveryMs = 10_000;

/** Shows how a wait is getting on, on stderr: one line rewritten on a terminal, a line now and then elsewhere. */
export interface ProgressDisplay {
  update(view: ProgressView, now: number): void;
  /** Takes the line away, so that something else can be written; the next update brings it back. */
  clear(): void;
}

/** @param force progress also where nobody may be looking: from the start, at each tenth and at the end */
export function createProgress(
  io: Io,
  options: { readonly progress: boolean; readonly quiet: boolean },
  now: number,
): ProgressDisplay {
  if (options.quiet) return { update: () => {}, clear: () => {} };
  if (io.stderr.isTTY === true && io.env['TERM'] !== 'dumb') return new TerminalProgress(io);
  return new LogProgress(io, options.progress, now);
}

class TerminalProgress implements ProgressDisplay {
  readonly #io: Io;
  readonly #paint: Paint;
  #drawnAt = -Infinity;
  #shown = '';

  constructor(io: Io) {
    this.#io = io;
    this.#paint = stderrPainter(io);
  }

  update(view: ProgressView, now: number): void {
    if (now - this.#drawnAt < redrawMs) return;
    this.#drawnAt = now;
    // A line as wide as the terminal would wrap, and could not be rewritten.
    const line = barLine(view, columnsOf(this.#io) - 1, this.#paint);
    if (line === this.#shown) return;
    this.#io.stderr.write(`\r${line}\u001b[K`);
    this.#shown = line;
  }

  clear(): void {
    if (this.#shown === '') return;
    this.#io.stderr.write('\r\u001b[K');
    this.#shown = '';
    this.#drawnAt = -Infinity;
  }
}

/** A terminal that does not know its size says 0. */
function columnsOf(io: Io): number {
  const { columns } = io.stderr;
  return columns === undefined || columns === 0 ? 80 : columns;
}

class LogProgress implements ProgressDisplay {
  readonly #io: Io;
  readonly #force: boolean;
  readonly #startedAt: number;
  #writtenAt: number | undefined;
  #tenth = -1;

  constructor(io: Io, force: boolean, now: number) {
    this.#io = io;
    this.#force = force;
    this.#startedAt = now;
  }

  update(view: ProgressView, now: number): void {
    const tenth = view.total === 0 ? 10 : Math.floor((doneCount(view.counts) / view.total) * 10);
    const due = this.#writtenAt === undefined ? now - this.#startedAt >= quietMs : now - this.#writtenAt >= logEveryMs;
    if (!due && !(this.#force && tenth !== this.#tenth)) return;
    this.#writtenAt = now;
    this.#tenth = tenth;
    this.#io.stderr.write(`${logLine(view)}\n`);
  }

  clear(): void {}
}
