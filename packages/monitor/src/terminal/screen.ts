import { type Line, type Size } from './line.ts';
import { paintLine } from './paint.ts';
import { sizeOf, type Terminal } from './terminal.ts';

/**
 * xterm's private modes: 1049 the alternate screen with the cursor saved, 25 the cursor, 7 wrapping at the last column,
 * which must not happen where a terminal takes a character for wider than we do.
 * Source: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
 */
const enterSequence = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const leaveSequence = '\u001b[m\u001b[?7h\u001b[?25h\u001b[?1049l';

/** The full screen of a terminal: draws what has changed, and gives the terminal back as it was. */
export class Screen {
  readonly #terminal: Terminal;
  #entered = false;
  #shown: string[] = [];
  #size: Size = { columns: 0, rows: 0 };

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    this.#shown = [];
    this.#terminal.input.setRawMode(true);
    this.#terminal.input.resume();
    this.#terminal.output.write(enterSequence);
  }

  /** May be called at any time, and again. What it writes is out when it returns: to a terminal Node writes at once. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    try {
      this.#terminal.output.write(leaveSequence);
      this.#terminal.input.setRawMode(false);
    } catch {
      // The terminal is gone, as after a hangup.
    }
    this.#terminal.input.pause();
  }

  /** The next drawing writes every row, for a screen that somebody else has written to. */
  forget(): void {
    this.#size = { columns: 0, rows: 0 };
  }

  draw(linesFor: (size: Size) => readonly Line[]): void {
    if (!this.#entered) return;
    const size = sizeOf(this.#terminal);
    let text = '';
    if (size.columns !== this.#size.columns || size.rows !== this.#size.rows) {
      this.#size = size;
      this.#shown = [];
      text = '\u001b[2J';
    }
    const lines = linesFor(size);
    for (let row = 0; row < size.rows; row += 1) {
      const painted = paintLine(lines[row] ?? [], size.columns, this.#terminal.colour);
      if (painted === this.#shown[row]) continue;
      this.#shown[row] = painted;
      text += `\u001b[${row + 1};1H${painted}`;
    }
    if (text !== '') this.#terminal.output.write(text);
  }
}
