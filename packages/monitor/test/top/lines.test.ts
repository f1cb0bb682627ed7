import { expect, test } from 'vitest';

import { clock } from '../../src/top/columns.ts';
import { topLines } from '../../src/top/lines.ts';
import { arrange } from '../../src/top/order.ts';
import type { TopRow, TopSnapshot } from '../../src/top/row.ts';
import { topText } from '../../src/top/snapshot.ts';
import { initialTop, type TopState } from '../../src/top/state.ts';
import { lineWidth } from '../../src/terminal/line.ts';
import { row, texts } from '../kit.ts';

function snapshotOf(running: readonly TopRow[], more: Partial<TopSnapshot> = {}): TopSnapshot {
  return {
    running,
    waiting: [],
    counts: { running: running.length, queued: 0, held: 0, batches: 1 },
    silent: [],
    ...more,
  };
}

function picture(snapshot: TopSnapshot, columns: number, rows: number, more: Partial<TopState> = {}): string[] {
  const state = { ...initialTop, ...more };
  const shown = arrange(snapshot.running, state.filter, state.sort, state.reverse);
  return texts(topLines({ state, snapshot, rows: shown, trouble: undefined }, { columns, rows }));
}

const many = Array.from({ length: 312 }, (_, at) => row(`b7.${at + 1}`, { cpu: 400 - at }));

test('80 × 24: every column, and what does not fit is counted', () => {
  const snapshot = snapshotOf(many, {
    counts: { running: 312, queued: 999_700, held: 2, batches: 3 },
    silent: ['vega'],
  });
  const lines = picture(snapshot, 80, 24);
  expect(lines).toHaveLength(24);
  expect(lines[0]).toMatch(/^312 running, 999,700 queued, 2 held in 3 batches +no answer from vega$/);
  expect(lines[1]).toBe('rows 1-20 of 312, 999,702 wait (w shows the first of them)');
  expect(lines[2]).toBe('job   node  state   cpu%>     rss  time  migr command');
  expect(lines[3]).toBe('b7.1  vega  running 400.0    1MiB  0:05     0 sleep 5');
  expect(lines[22]).toMatch(/^b7\.20 /);
});

test('20 × 10: number, cpu and the beginning of the command', () => {
  const lines = picture(snapshotOf(many), 20, 10);
  expect(lines).toHaveLength(10);
  expect(lines[2]).toBe('job   cpu%> command');
  expect(lines[3]).toBe('b7.1  400.0 sleep 5');
});

test('200 × 60 has room for long names and commands', () => {
  const long = row('b123456.1000000', {
    node: 'a-node-with-a-name-of-27-let',
    command: 'x'.repeat(300),
    migrations: 12,
  });
  const lines = topLines(
    { state: initialTop, snapshot: snapshotOf([long]), rows: [long], trouble: undefined },
    { columns: 200, rows: 60 },
  );
  expect(lines).toHaveLength(60);
  expect(texts(lines)[3]).toMatch(/^b123456\.1000000 a-node-with-a-na running +10\.0 +1MiB +0:05 +12 x{130,}$/);
});

test('where children of a job run is told before its command, and can be filtered by', () => {
  const spread = row('b7.1', { children: { altair: 2, deneb: 1 } });
  const text = topText(snapshotOf([spread, row('b7.2')]));
  expect(text).toMatch(/\nb7\.1 +vega .* 0 \[2 on altair, 1 on deneb\] sleep 5\nb7\.2 +vega .* 0 sleep 5\n$/);
  expect(arrange([spread, row('b7.2')], 'altair', 'id', false)).toEqual([spread]);
});

test('no size breaks the table', () => {
  for (const columns of [1, 4, 9, 20, 33, 80])
    for (const rows of [1, 2, 3, 7, 8, 24])
      for (const mode of [
        { name: 'table' },
        { name: 'help' },
        { name: 'cancel', id: 'b7.1' },
        { name: 'filter', before: '' },
      ] as const) {
        const state = { ...initialTop, mode };
        const lines = topLines(
          { state, snapshot: snapshotOf(many), rows: many, trouble: undefined },
          { columns, rows },
        );
        expect(lines.length).toBeLessThanOrEqual(rows);
        const marked = lines.find((pieces) => pieces.some(({ style }) => style === 'marked'));
        expect(marked === undefined ? 0 : lineWidth(marked)).toBeLessThanOrEqual(columns);
      }
});

test('the selected row is marked and stays in sight', () => {
  const state = { ...initialTop, selected: 'b7.100' };
  const lines = topLines(
    { state, snapshot: snapshotOf(many), rows: many, trouble: undefined },
    { columns: 80, rows: 24 },
  );
  const marked = lines.slice(3, -1).filter(([piece]) => piece?.style === 'marked');
  expect(texts(marked)).toEqual([expect.stringMatching(/^b7\.100 /)]);
});

test('the question before a cancel names job and command', () => {
  const lines = picture(snapshotOf([row('b7.1')]), 80, 24, { mode: { name: 'cancel', id: 'b7.1' } });
  expect(lines.at(-1)).toBe('cancel b7.1? y yes, any other key no: sleep 5');
});

test('nothing to show is said', () => {
  expect(picture(snapshotOf([]), 80, 24)[1]).toBe('nothing runs');
  expect(picture(snapshotOf([row('b1.1')]), 80, 24, { filter: 'zzz' })[1]).toBe(
    'nothing passes the filter, filter: zzz (0 of 1, Esc ends it)',
  );
});

test('as plain text no command is cut', () => {
  const text = topText(snapshotOf([row('b1.1', { command: 'y'.repeat(500) })]));
  expect(text).toBe(
    `job   node  state    cpu%     rss  time  migr command\nb1.1  vega  running  10.0    1MiB  0:05     0 ${'y'.repeat(500)}\n`,
  );
});

test.each([
  [0.9, '0:00'],
  [61, '1:01'],
  [3599, '59:59'],
  [3600, '1:00:00'],
  [86_400 * 4 + 7200, '4d02h'],
])('%d s is %s', (seconds, text) => {
  expect(clock(seconds)).toBe(text);
});
