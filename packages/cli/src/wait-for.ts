import { type BatchId, ExitCode, formatDuration } from '@omx/core';
import { queueClock } from '@omx/queue';

import { type Io, say } from './io.ts';
import { etaMs } from './render/eta.ts';
import { createProgress, type ProgressDisplay } from './render/progress.ts';
import type { ProgressView } from './render/progress-line.ts';
import type { Selection } from './select.ts';
import type { Session } from './session.ts';
import { Pace } from './wait/pace.ts';
import { addCounts, WaitTarget } from './wait/target.ts';
import { Wakeups } from './wait/wakeups.ts';

export interface WaitOptions {
  /** Show progress even where stderr is no terminal. */
  readonly progress: boolean;
  readonly quiet: boolean;
  /** Give up after so long, with exit code 124. */
  readonly timeoutMs?: number;
  /** Why the wait was given up is said as a JSON object, like every error of `--json`. */
  readonly json?: boolean;
  /** The caller's own display, where it writes to the same terminal and must take the line away before. */
  readonly display?: ProgressDisplay;
}

/** A message may get lost; a second later the counters are looked at anyway. */
const lookMs = 1000;
/** More batches than this are not listed in a message. */
const mostNamed = 5;
const longestTimer = 2 ** 31 - 1;

/**
 * Waits until batches, or some of their jobs, have ended.
 * @returns the exit code: 0 all succeeded, 1 not all, 124 given up, 130 interrupted (the jobs go on)
 */
export async function waitFor(
  io: Io,
  session: Session,
  what: readonly (BatchId | Selection)[],
  options: WaitOptions,
): Promise<number> {
  const targets = await Promise.all(
    what.map(async (each) => new WaitTarget(typeof each === 'string' ? await wholeBatch(session, each) : each)),
  );
  const display = options.display ?? createProgress(io, options, queueClock.now());
  const wait = new Wait(io, session, targets, options, display);
  try {
    return await wait.untilEnded();
  } finally {
    wait.close();
    display.clear();
  }
}

async function wholeBatch(session: Session, id: BatchId): Promise<Selection> {
  const batch = await session.batches.load(id);
  return { batch, spans: [{ first: 0, last: batch.total - 1 }], whole: true };
}

type Stop = 'interrupt' | 'timeout';

class Wait {
  readonly #io: Io;
  readonly #session: Session;
  readonly #targets: readonly WaitTarget[];
  readonly #options: WaitOptions;
  readonly #display: ProgressDisplay;
  readonly #cleanUp: (() => void)[] = [];
  readonly #saidWhy = new Set<WaitTarget>();
  #shown = false;
  #stop: Stop | undefined;
  #onStop: () => void = () => {};

  constructor(
    io: Io,
    session: Session,
    targets: readonly WaitTarget[],
    options: WaitOptions,
    display: ProgressDisplay,
  ) {
    this.#io = io;
    this.#session = session;
    this.#targets = targets;
    this.#options = options;
    this.#display = display;
    const stop = (why: Stop) => (): void => {
      this.#stop ??= why;
      this.#onStop();
    };
    this.#cleanUp.push(io.onInterrupt(stop('interrupt')));
    const { timeoutMs } = options;
    if (timeoutMs === undefined || timeoutMs > longestTimer) return;
    const timer = setTimeout(stop('timeout'), timeoutMs);
    this.#cleanUp.push(() => clearTimeout(timer));
  }

  close(): void {
    for (const each of this.#cleanUp) each();
  }

  async untilEnded(): Promise<number> {
    const targets = this.#targets;
    const pace = new Pace(Date.now());
    let wakeups: Wakeups | undefined;
    let open = targets;
    let all = true;
    for (;;) {
      wakeups?.reset();
      const startedAt = Date.now();
      const look = this.#look(open, all);
      // The first look is always made, whatever the timeout; after that the queue may be away without keeping anybody.
      await (wakeups === undefined ? this.#orStop(look, 'interrupt') : this.#orStop(look));
      if (this.#stop !== undefined && wakeups !== undefined) return this.#giveUp(this.#stop);
      open = targets.filter((target) => !target.hasEnded);
      if (open.length === 0) {
        if (all) return this.#end();
        // What ended first may have been run again since: the last look is at everything.
        open = targets;
        all = true;
        continue;
      }
      if (this.#stop !== undefined) return this.#giveUp(this.#stop);
      all = targets.length === 1 && open[0]?.whole === true;
      this.#show(open);
      wakeups ??= this.#listen();
      await this.#orStop(wakeups.next(pace.gapAfter(startedAt, Date.now()), lookMs));
      if (this.#stop !== undefined) return this.#giveUp(this.#stop);
    }
  }

  #listen(): Wakeups {
    const wakeups = new Wakeups(
      this.#session,
      this.#targets.map((target) => target.batch.id),
    );
    this.#cleanUp.push(() => wakeups.close());
    return wakeups;
  }

  #end(): number {
    if (this.#targets.length > 0 && this.#shown) this.#update();
    return this.#targets.every((target) => target.counts.succeeded === target.total)
      ? ExitCode.ok
      : ExitCode.jobsFailed;
  }

  async #look(targets: readonly WaitTarget[], again: boolean): Promise<void> {
    await Promise.all(targets.map(async (target) => target.look(this.#session, again)));
  }

  /** Returns when the work is done or the wait is to stop, whichever is first. */
  async #orStop(work: Promise<void>, only?: Stop): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onStop = () => {
        if (this.#stop !== undefined && (only === undefined || this.#stop === only)) resolve();
      };
      work.then(resolve, reject);
      this.#onStop();
    });
    this.#onStop = () => {};
  }

  #show(open: readonly WaitTarget[]): void {
    for (const target of open) {
      if (!(target.isHeld || target.isPaused) || this.#saidWhy.has(target) || this.#options.quiet) continue;
      this.#saidWhy.add(target);
      this.#display.clear();
      say(this.#io, standstillText(target));
    }
    this.#update();
  }

  #update(): void {
    const now = queueClock.now();
    this.#shown = true;
    this.#display.update(viewOf(this.#targets, now), now);
  }

  #giveUp(stop: Stop): number {
    this.#display.clear();
    const left = this.#targets.filter((target) => !target.hasEnded);
    const open = (left.length === 0 ? this.#targets : left).map((target) => target.label);
    const one = open.length === 1;
    const what = open.length > mostNamed ? `${open.length} batches` : open.join(', ');
    const selectors = open.join(' ');
    const again = `omx wait ${selectors} waits again, omx cancel ${selectors} ends ${one ? 'it' : 'them'}`;
    // Never a wider selector than what was waited for: somebody may paste it.
    const hint = open.length > mostNamed ? 'omx status shows how they are getting on' : again;
    if (stop === 'interrupt') {
      this.#remark('INTERRUPTED', `no longer waiting; ${what} ${one ? 'goes' : 'go'} on`, hint);
      return ExitCode.interrupted;
    }
    const after = formatDuration(this.#options.timeoutMs ?? 0);
    this.#remark('WAIT_TIMEOUT', `${what} ${one ? 'has' : 'have'} not ended after ${after}`, hint);
    return ExitCode.waitTimeout;
  }

  #remark(code: string, message: string, hint: string): void {
    if (this.#options.json === true) say(this.#io, JSON.stringify({ error: { code, message, hint } }));
    else say(this.#io, `${message}\nhint:  ${hint}`);
  }
}

/** Why nothing will move by itself, and what makes it. */
function standstillText({ batch, label, isPaused }: WaitTarget): string {
  if (isPaused) return `${label} is paused: omx resume ${label}`;
  const depends = batch.untouched === 'held' && !batch.spec.hold && batch.spec.after.length > 0 && batch.note !== '';
  return depends ? `${label} ${batch.note}` : `${label} is held: omx release ${label}`;
}

function viewOf(targets: readonly WaitTarget[], now: number): ProgressView {
  const counts = targets.map((target) => target.counts).reduce(addCounts);
  const total = targets.reduce((sum, target) => sum + target.total, 0);
  const starts = targets.flatMap((target) => target.firstStartAt ?? []);
  const eta = etaMs(counts, total, starts.length === 0 ? undefined : Math.min(...starts), now);
  const [only] = targets;
  const label = targets.length === 1 && only !== undefined ? only.label : `${targets.length} selections`;
  return { label, total, counts, ...(eta === undefined ? {} : { etaMs: eta }) };
}
