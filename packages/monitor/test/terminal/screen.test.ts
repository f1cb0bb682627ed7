import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';

import { line } from '../../src/terminal/line.ts';
import { Screen } from '../../src/terminal/screen.ts';
import { blocks, type Terminal } from '../../src/terminal/terminal.ts';

function fakeTerminal(): {
  terminal: Terminal;
  size: { columns: number; rows: number };
  raw: boolean[];
  taken: () => string;
} {
  const output = Object.assign(new PassThrough(), { columns: 10, rows: 3 });
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), { setRawMode: (on: boolean) => raw.push(on) });
  const taken = (): string => ((output.read() as Buffer | null) ?? '').toString();
  return { terminal: { input, output, colour: true, glyphs: blocks }, size: output, raw, taken };
}

test('the screen is entered and left once, whatever is called how often', () => {
  const { terminal, raw, taken } = fakeTerminal();
  const screen = new Screen(terminal);
  screen.leave();
  expect(taken()).toBe('');
  screen.enter();
  screen.enter();
  expect(taken()).toBe('\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J');
  screen.leave();
  screen.leave();
  expect(taken()).toBe('\u001b[m\u001b[?7h\u001b[?25h\u001b[?1049l');
  expect(raw).toEqual([true, false]);
  screen.draw(() => [line('late')]);
  expect(taken()).toBe('');
});

test('only rows that have changed are written, all of them after a change of size', () => {
  const { terminal, size, taken } = fakeTerminal();
  const screen = new Screen(terminal);
  screen.enter();
  taken();
  screen.draw(() => [line('one'), line('two')]);
  expect(taken()).toBe('\u001b[2J\u001b[1;1Hone\u001b[K\u001b[2;1Htwo\u001b[K\u001b[3;1H\u001b[K');
  screen.draw(() => [line('one'), line('2')]);
  expect(taken()).toBe('\u001b[2;1H2\u001b[K');
  screen.draw(() => [line('one'), line('2')]);
  expect(taken()).toBe('');
  size.columns = 2;
  screen.draw(({ columns }) => [line('one'), line(String(columns))]);
  expect(taken()).toBe('\u001b[2J\u001b[1;1Hon\u001b[2;1H2\u001b[K\u001b[3;1H\u001b[K');
  screen.forget();
  screen.draw(() => [line('one')]);
  expect(taken()).toContain('\u001b[1;1Hon');
});

test('a terminal that fails while it is left does not hide why', () => {
  const { terminal } = fakeTerminal();
  const screen = new Screen({
    ...terminal,
    input: Object.assign(terminal.input, { setRawMode: (on: boolean) => !on && fail() }),
  });
  screen.enter();
  expect(() => screen.leave()).not.toThrow();
});

function fail(): never {
  throw new Error('EIO');
}
