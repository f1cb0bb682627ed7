import { onKeys } from './keys.ts';
import type { Line, Size } from './line.ts';
import { Screen } from './screen.ts';
import type { Terminal } from './terminal.ts';

/** What a full screen shows and how it takes keys. */
export interface View {
  lines(size: Size): readonly Line[];
  /** @returns true to leave the screen */
  key(key: string): boolean;
}

/** By a key of the view, or by Ctrl-C. */
export type Ending = 'quit' | 'interrupted';

const redrawMs = 1000;
/** News that come in a stream are drawn so often. */
const refreshMs = 40;
const endingSignals = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Runs a view on the whole screen until it is left, and leaves the terminal as it was however that comes about: by a key,
 * an ending signal (which then ends the process, so that the exit status tells), an exception anywhere in the process
 * (which is thrown by `run`), or a stop (Ctrl-Z), after which it comes back.
 */
export class LiveScreen {
  readonly #screen: Screen;
  readonly #terminal: Terminal;
  readonly #view: View;
  #end: ((ending: Ending) => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;
  #refreshing: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, view: View) {
    this.#terminal = terminal;
    this.#screen = new Screen(terminal);
    this.#view = view;
  }

  async run(): Promise<Ending> {
    const ended = new Promise<Ending>((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    const release = this.#listen();
    try {
      this.#screen.enter();
      this.redraw();
      return await ended;
    } finally {
      this.#end = undefined;
      this.#fail = undefined;
      clearTimeout(this.#refreshing);
      this.#screen.leave();
      release();
    }
  }

  redraw(): void {
    try {
      this.#screen.draw((size) => this.#view.lines(size));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Draws soon: for news that may come faster than anybody can see. */
  refresh(): void {
    this.#refreshing ??= setTimeout(() => {
      this.#refreshing = undefined;
      this.redraw();
    }, refreshMs);
  }

  /** Ends the screen with an error. */
  fail(error: unknown): void {
    this.#fail?.(error);
  }

  #key(key: string): void {
    if (key === 'ctrl+c') this.#end?.('interrupted');
    else if (key === 'ctrl+z') this.#suspend(0);
    else if (key === 'ctrl+l') this.#afresh();
    else {
      try {
        if (this.#view.key(key)) this.#end?.('quit');
      } catch (error) {
        this.fail(error);
      }
      this.redraw();
    }
  }

  /**
   * Stops the process with the terminal as it was. As the terminal itself would do for Ctrl-Z, the whole foreground
   * group is stopped, or a script around it would go on waiting.
   * @param target as in kill(2): 0 is the process group
   */
  readonly #suspend = (target: number): void => {
    this.#screen.leave();
    process.off('SIGTSTP', this.#stop);
    process.kill(target, 'SIGTSTP');
    // Where nobody could continue it, the kernel does not stop the process, and no SIGCONT comes: so come back anyway.
    setTimeout(() => {
      process.on('SIGTSTP', this.#stop);
      this.#afresh();
    }, 20);
  };

  readonly #stop = (): void => this.#suspend(process.pid);

  /** After somebody else has had the terminal: its modes and its content are set anew. */
  readonly #afresh = (): void => {
    if (this.#end === undefined) return;
    this.#screen.leave();
    this.#screen.enter();
    this.#screen.forget();
    this.redraw();
  };

  #listen(): () => void {
    const redraw = (): void => this.redraw();
    const restore = (): void => this.#screen.leave();
    const fail = (error: unknown): void => this.fail(error);
    const interrupted = (): void => this.#end?.('interrupted');
    const end = (signal: NodeJS.Signals): void => {
      restore();
      for (const known of endingSignals) process.off(known, end);
      process.kill(process.pid, signal);
    };
    const stopKeys = onKeys(this.#terminal.input, (key) => this.#key(key));
    const timer = setInterval(redraw, redrawMs);
    this.#terminal.output.on('resize', redraw);
    // A terminal that is gone.
    this.#terminal.input.once('end', interrupted);
    this.#terminal.output.once('error', interrupted);
    for (const signal of endingSignals) process.on(signal, end);
    process.on('SIGINT', interrupted);
    process.on('SIGTSTP', this.#stop);
    process.on('SIGCONT', this.#afresh);
    process.on('uncaughtException', fail);
    process.on('unhandledRejection', fail);
    process.on('exit', restore);
    return () => {
      stopKeys();
      clearInterval(timer);
      this.#terminal.output.off('resize', redraw);
      this.#terminal.input.off('end', interrupted);
      this.#terminal.output.off('error', interrupted);
      for (const signal of endingSignals) process.off(signal, end);
      process.off('SIGINT', interrupted);
      process.off('SIGTSTP', this.#stop);
      process.off('SIGCONT', this.#afresh);
      process.off('uncaughtException', fail);
      process.off('unhandledRejection', fail);
      process.off('exit', restore);
    };
  }
}
