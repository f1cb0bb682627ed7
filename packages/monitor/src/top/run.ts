import type { Writable } from 'node:stream';

import { errorOf } from '@omx/core';

import { Poller } from '../poller.ts';
import type { Line, Size } from '../terminal/line.ts';
import { type Ending, LiveScreen } from '../terminal/live-screen.ts';
import { sizeOf, type Terminal } from '../terminal/terminal.ts';
import { pageRows, topLines } from './lines.ts';
import { arrange } from './order.ts';
import type { TopRow, TopSnapshot } from './row.ts';
import { cursorOf, firstRow, initialTop, table, topKey, type TopState, type Wish } from './state.ts';
import { TailPane } from './tail-pane.ts';

/** What can be done to a job from the table. */
export interface TopActions {
  /** @returns what came of it, in one line */
  readonly cancel: (id: string) => Promise<string>;
  /** Pauses a running job, holds a waiting one, lets a paused or held one go on. */
  readonly hold: (id: string, state: string) => Promise<string>;
  /** Follows the output of a job until it ends or `stop` is called. */
  readonly tail: (
    id: string,
    to: { readonly out: Writable; readonly err: Writable },
    onStop: (stop: () => void) => void,
  ) => Promise<void>;
}

/** Waiting jobs shown at most; of the others, how many there are. */
export const waitingShown = 200;

/** `omx top` on a terminal, until it is left. */
export async function runTop(
  terminal: Terminal,
  read: (waiting: number) => Promise<TopSnapshot>,
  actions: TopActions,
): Promise<Ending> {
  return new TopScreen(terminal, read, actions).run();
}

class TopScreen {
  readonly #terminal: Terminal;
  readonly #actions: TopActions;
  readonly #screen: LiveScreen;
  readonly #poller: Poller<TopSnapshot>;
  #state: TopState = initialTop;
  #tail: { readonly pane: TailPane; stop: () => void } | undefined;
  #arranged: { readonly snapshot: TopSnapshot; readonly by: string; readonly rows: readonly TopRow[] } | undefined;

  constructor(terminal: Terminal, read: (waiting: number) => Promise<TopSnapshot>, actions: TopActions) {
    this.#terminal = terminal;
    this.#actions = actions;
    this.#screen = new LiveScreen(terminal, {
      lines: (size) => this.#lines(size),
      key: (key) => this.#key(key),
    });
    this.#poller = new Poller(async () => read(this.#state.waiting ? waitingShown : 0), {
      news: () => this.#screen.redraw(),
      fault: (error) => this.#screen.fail(error),
    });
  }

  async run(): Promise<Ending> {
    try {
      this.#poller.poll();
      return await this.#screen.run();
    } finally {
      this.#poller.stop();
      this.#tail?.stop();
    }
  }

  /** Rows in order; sorted once a snapshot, not at each drawing. */
  #rows(): readonly TopRow[] {
    const snapshot = this.#poller.newest;
    if (snapshot === undefined) return [];
    const { filter, sort, reverse, waiting } = this.#state;
    const by = `${sort} ${reverse} ${waiting} ${filter}`;
    if (this.#arranged?.snapshot !== snapshot || this.#arranged.by !== by) {
      const all = waiting ? [...snapshot.running, ...snapshot.waiting] : snapshot.running;
      this.#arranged = { snapshot, by, rows: arrange(all, filter, sort, reverse) };
    }
    return this.#arranged.rows;
  }

  #lines(size: Size): Line[] {
    if (this.#tail !== undefined) return this.#tail.pane.lines(size);
    const rows = this.#rows();
    const cursor = cursorOf(this.#state, rows);
    const first = firstRow(this.#state, cursor, rows.length, pageRows(size));
    this.#state = { ...this.#state, cursor, first };
    return topLines({ state: this.#state, snapshot: this.#poller.newest, rows, trouble: this.#poller.trouble }, size);
  }

  #key(key: string): boolean {
    const size = sizeOf(this.#terminal);
    if (this.#tail !== undefined) {
      if (this.#tail.pane.key(key, size)) this.#endTail();
      return false;
    }
    const { state, wish } = topKey(this.#state, key, { rows: this.#rows(), page: pageRows(size) });
    this.#state = state;
    return wish !== undefined && this.#carryOut(wish);
  }

  #carryOut(wish: Wish): boolean {
    switch (wish.do) {
      case 'quit':
        return true;
      case 'read':
        this.#poller.poll();
        return false;
      case 'tail':
        this.#startTail(wish.id);
        return false;
      case 'cancel':
        this.#act(this.#actions.cancel(wish.id));
        return false;
      case 'hold':
        this.#act(this.#actions.hold(wish.id, this.#rows().find(({ id }) => id === wish.id)?.state ?? ''));
        return false;
    }
  }

  #act(action: Promise<string>): void {
    const say = (message: string): void => {
      this.#state = { ...this.#state, message };
      this.#poller.poll();
      this.#screen.redraw();
    };
    action.then(say, (error: unknown) => say(errorOf(error).message));
  }

  #startTail(id: string): void {
    const pane = new TailPane(id, () => this.#screen.refresh());
    const tail = { pane, stop: () => {} };
    this.#tail = tail;
    this.#actions
      .tail(id, { out: pane.stream(), err: pane.stream() }, (stop) => (tail.stop = stop))
      .then(
        () => pane.end('its output ends here'),
        (error: unknown) => pane.end(errorOf(error).message),
      );
  }

  #endTail(): void {
    this.#tail?.stop();
    this.#tail = undefined;
    this.#state = { ...this.#state, mode: table };
  }
}
