import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach } from 'vitest';

import { root, type TestHome } from './home.ts';
import { processesOf } from './left-behind.ts';
import { until } from './until.ts';

/** A real terminal (a pane of tmux) with a shell in it, where `omx` is the built command line. */
export interface TestTerminal {
  /** Types a command and Enter. */
  readonly run: (command: string) => void;
  /** Presses keys by tmux's names: `q`, `Down`, `C-c`, `Enter`. */
  readonly press: (...keys: readonly string[]) => void;
  /** What is on the screen, a text a row, blanks at the ends left out. */
  readonly rows: () => string[];
  /** Waits until a row matches, and returns the screen then. */
  readonly shows: (what: RegExp, timeoutMs?: number) => Promise<string[]>;
  readonly resize: (columns: number, rows: number) => void;
  /** What a program must leave as it was: the alternate screen is off, the cursor is seen, lines wrap. */
  readonly modes: () => { readonly alternate: string; readonly cursor: string; readonly wrap: string };
  /** The process in it whose command line ends so. */
  readonly pid: (ending: string) => number | undefined;
}

/** Opens terminals in a home; they are closed after each test. Call it after `useHome`. */
export function useTerminal(home: TestHome): (columns?: number, rows?: number) => TestTerminal {
  const open: string[] = [];
  let opened = 0;
  afterEach(() => {
    for (const socket of open.splice(0)) tmux(socket, 'kill-server');
  });
  return (columns = 80, rows = 24) => {
    const socket = join(home.dir, `tmux${(opened += 1)}.sock`);
    open.push(socket);
    const size = ['-x', String(columns), '-y', String(rows)];
    const env = { ...home.env, LC_ALL: 'C.UTF-8', PS1: '$ ', ENV: '' };
    const server = ['-u', '-f', '/dev/null', '-S', socket];
    const start = ['start-server', ';', 'set', '-g', 'status', 'off', ';', 'new-session', '-d', ...size, 'sh -i'];
    execFileSync('tmux', [...server, ...start], { env, cwd: home.work, stdio: 'ignore' });
    tmux(socket, 'send-keys', '-l', `omx() { '${process.execPath}' '${root}packages/cli/dist/bin.js' "$@"; }; clear\n`);
    return terminalAt(socket, home);
  };
}

function terminalAt(socket: string, home: TestHome): TestTerminal {
  const rows = (): string[] =>
    tmux(socket, 'capture-pane', '-p')
      .split('\n')
      .slice(0, -1)
      .map((row) => row.trimEnd());
  return {
    run: (command) => {
      tmux(socket, 'send-keys', '-l', command);
      tmux(socket, 'send-keys', 'Enter');
    },
    press: (...keys) => void tmux(socket, 'send-keys', ...keys),
    rows,
    shows: (what, timeoutMs = 20_000) =>
      until(rows, { timeoutMs, is: (screen) => screen.some((row) => what.test(row)) }),
    resize: (columns, height) => void tmux(socket, 'resize-window', '-x', String(columns), '-y', String(height)),
    modes: () => {
      const [alternate = '', cursor = '', wrap = ''] = tmux(
        socket,
        ...['display-message', '-p', '#{alternate_on} #{cursor_flag} #{wrap_flag}'],
      )
        .trim()
        .split(' ');
      return { alternate, cursor, wrap };
    },
    pid: (ending) => processesOf(home.dir).find(({ line }) => line.endsWith(ending))?.pid,
  };
}

function tmux(socket: string, ...args: readonly string[]): string {
  return execFileSync('tmux', ['-S', socket, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
