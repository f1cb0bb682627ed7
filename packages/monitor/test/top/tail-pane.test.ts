import { expect, test } from 'vitest';

import { TailPane } from '../../src/top/tail-pane.ts';
import { texts } from '../kit.ts';

const size = { columns: 20, rows: 5 };

function paneWith(...chunks: readonly (string | Buffer)[]): TailPane {
  const pane = new TailPane('b1.1', () => {});
  const out = pane.stream();
  for (const chunk of chunks) out.write(chunk);
  return pane;
}

test('the newest lines, with the one that is not complete yet', () => {
  const pane = paneWith('one\ntwo\nthr', 'ee\nfou');
  expect(texts(pane.lines(size)).slice(0, 4)).toEqual(['b1.1: following', 'two', 'three', 'fou']);
});

test('characters and lines may come in pieces; streams do not mix within a line', () => {
  const euro = Buffer.from('€\n');
  const pane = paneWith(euro.subarray(0, 2), euro.subarray(2), 'half');
  pane.stream().write('error\n');
  expect(texts(pane.lines(size)).slice(1, 4)).toEqual(['€', 'error', 'half']);
});

test('colours are left out, a carriage return writes over, long lines go on', () => {
  const pane = paneWith('\u001b[31mred\u001b[0m\n10%\r50%\r\n', 'x'.repeat(25));
  expect(texts(pane.lines({ columns: 20, rows: 6 })).slice(1, 5)).toEqual(['red', '50%', 'x'.repeat(20), 'xxxxx']);
});

test('scrolling back and to the ends', () => {
  const pane = paneWith(Array.from({ length: 10 }, (_, at) => `line ${at}\n`).join(''));
  pane.key('up', size);
  expect(texts(pane.lines(size)).slice(0, 4)).toEqual(['b1.1: 1 rows below', 'line 6', 'line 7', 'line 8']);
  pane.key('home', size);
  expect(texts(pane.lines(size))[1]).toBe('line 0');
  pane.key('pagedown', size);
  expect(texts(pane.lines(size))[1]).toBe('line 3');
  pane.key('end', size);
  expect(texts(pane.lines(size))[3]).toBe('line 9');
  expect(pane.key('up', size)).toBe(false);
  expect(['q', 'escape', 't'].map((key) => pane.key(key, size))).toEqual([true, true, true]);
});

test('memory is bounded, whatever a job prints', () => {
  const pane = paneWith('start\n', 'y'.repeat(3_000_000), `\n${'z\n'.repeat(20_000)}`);
  pane.key('home', { columns: 80, rows: 24 });
  expect(texts(pane.lines({ columns: 80, rows: 24 }))[1]).toBe('z');
  pane.end('its output ends here');
  pane.key('end', size);
  expect(texts(pane.lines(size))[0]).toBe('b1.1: its output ends here');
});
