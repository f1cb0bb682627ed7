import type { NodeInfo } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { measureNames } from '../../src/mon/measure.ts';
import { monLines } from '../../src/mon/lines.ts';
import { monText } from '../../src/mon/snapshot.ts';
import { initialMon, type MonState } from '../../src/mon/state.ts';
import { lineText, lineWidth } from '../../src/terminal/line.ts';
import { ascii, blocks } from '../../src/terminal/terminal.ts';
import { manyNodes, node, texts } from '../kit.ts';

function picture(nodes: readonly NodeInfo[], columns: number, rows: number, more: Partial<MonState> = {}): string[] {
  const state = { ...initialMon, ...more };
  return texts(monLines({ state, nodes, trouble: undefined, glyphs: ascii }, { columns, rows }));
}

describe('80 × 24', () => {
  test('a bar for each node: omx’s own work solid, other work above it, to scale', () => {
    const lines = picture(
      [node('altair', { load: 4 }), node('deneb', { load: 8, externalLoad: 4 }), node('vega', { load: 0 })],
      80,
      24,
    );
    expect(lines).toHaveLength(24);
    expect(lines[0]).toMatch(/^load per CPU {2}# omx {2}\+ others {40,}3 nodes$/);
    expect(lines.at(-1)).toMatch(/^q quit {2}h help .* names$/);
    const [axis, names, values] = [lines[20], lines[21], lines[22]];
    expect(axis).toBe(`  0.00+${'-'.repeat(24)}`);
    expect(names).toBe('       altair  deneb   vega');
    expect(values).toBe('       1.00    2.00    0.00');
    const bars = lines.slice(1, 20);
    expect(bars[0]).toBe('  2.00|        ++++++');
    expect(bars.filter((text) => text.slice(15, 21) === '++++++')).toHaveLength(9);
    expect(bars.filter((text) => text.slice(15, 21) === '######')).toHaveLength(10);
    expect(bars.filter((text) => /[#:.]{6}/.test(text.slice(7, 13)))).toHaveLength(10);
    expect(bars.every((text) => text.slice(23).trim() === '')).toBe(true);
    expect(
      bars
        .map((text) => text[0] ?? ' ')
        .join('')
        .trim(),
    ).toBe('LOAD');
  });

  test('100 nodes: tight bars, scrolled to the end, names without what all have in common', () => {
    const nodes = manyNodes(100);
    const lines = picture(nodes, 80, 24);
    expect(lines[0]).toContain('1-73 of 100 nodes, node-…');
    expect(Math.max(...lines.map((text) => text.length))).toBeLessThanOrEqual(80);
    // Names are written downwards: 001 under the first bar.
    expect(lines.slice(-4, -1).map((text) => text[7])).toEqual(['0', '0', '1']);
    const end = picture(nodes, 80, 24, { first: 99 });
    expect(end[0]).toContain('28-100 of 100 nodes');
    expect(end.slice(-4, -1).map((text) => text[79])).toEqual(['1', '0', '0']);
    expect(end[1]?.[79]).toMatch(/[#:]/);
  });

  test('nodes that are not up are marked, those that are down shown when asked for', () => {
    const nodes = [
      node('a', { state: 'draining', load: 2 }),
      node('b', { state: 'drained' }),
      node('c', { state: 'quarantined', reason: '9 jobs failed at once' }),
      node('d', { state: 'down' }),
    ];
    const wide = picture(nodes, 80, 24);
    expect(wide[0]).toContain('3 nodes, 1 down (d)');
    expect(wide.at(-4)).toMatch(/^ {7}d {7}drained Q$/);
    expect(wide.at(-1)).toBe('c is quarantined: 9 jobs failed at once');
    const all = picture(nodes, 80, 24, { dead: true, names: 'vertical' });
    expect(all[0]).toContain('4 nodes, 1 down');
    expect(
      all
        .slice(16, 20)
        .map((text) => text[16])
        .join(''),
    ).toBe('DOWN');
    expect(all.at(-3)).toMatch(/^ {7}d {2}D {2}Q {2}X$/);
  });

  test('the total is of nodes that are not down', () => {
    const lines = picture(
      [node('a', { load: 3, externalLoad: 1, running: 2, busy: 2 }), node('b', { state: 'down', load: 9 })],
      80,
      24,
      {
        total: true,
      },
    );
    expect(lines.at(-2)).toBe('total: 1 up, slots 2/4, load 3.00 of 4 (others 1.00), use 50%, memory 2GiB/8GiB');
  });

  test('memory, speed and use have scales of their own', () => {
    const nodes = [node('a', { speed: 812, busy: 3, memFree: 2 ** 31 })];
    expect(picture(nodes, 80, 24, { measure: 'memory' })[1]).toContain('8GiB|++++++');
    expect(picture(nodes, 80, 24, { measure: 'memory' }).at(-2)).toContain('6GiB');
    expect(picture(nodes, 80, 24, { measure: 'speed' }).at(-2)).toContain('812x4');
    expect(picture(nodes, 80, 24, { measure: 'use' }).at(-2)).toContain('75%');
    // Half a log scale up to 8 is 2: log2(1 + 2) is half of log2(1 + 8).
    expect(picture([node('a', { load: 32 })], 80, 24, { measure: 'log' }).some((text) => text.includes('2.00|'))).toBe(
      true,
    );
  });
});

test('200 × 60 shows all of 100 nodes', () => {
  const lines = picture(manyNodes(100), 200, 60);
  expect(lines).toHaveLength(60);
  expect(lines[0]).toMatch(/ 100 nodes, node-…$/);
  expect(lines.at(-2)?.replaceAll(/\s/g, '')).toHaveLength(100);
});

test('20 × 10 still has bars and names', () => {
  const lines = picture([node('altair', { load: 4 }), node('vega', { load: 2 })], 20, 10);
  expect(lines).toHaveLength(10);
  expect(lines[0]).toBe('LOAD         2 nodes');
  expect(lines[1]).toMatch(/^1\.00\|#/);
  expect(lines.join('\n')).toMatch(/altair|a {2}v/);
});

test('20 × 10 with 100 nodes says which ones are seen', () => {
  const lines = picture(manyNodes(100), 20, 10);
  expect(lines[0]).toBe('LOAD        1-15/100');
  expect(lines.slice(-3, -1)).toEqual(['     000000000111111', '     123456789012345']);
});

test('names of very many nodes do not fit, and are cut', () => {
  expect(picture([node('a-name-as-long-as-nobody-should-give-one-but-may')], 80, 24)[21]).toBe(
    '       a-name-as-long-a',
  );
});

test('no size, measure or number of nodes breaks the picture', () => {
  const odd = [
    node('x', { load: Number.NaN, memTotal: 0, memFree: 5, speed: -1, cpus: 0, busy: 1e9 }),
    node('y', { state: 'down' }),
  ];
  for (const nodes of [[], odd, manyNodes(3, 1e6), manyNodes(100)])
    for (const columns of [1, 5, 9, 20, 80])
      for (const rows of [1, 2, 4, 6, 7, 9, 24])
        for (const measure of measureNames)
          for (const names of ['wide', 'vertical', 'tight', 'auto'] as const) {
            const state = { ...initialMon, measure, names, dead: true, total: true, first: 7 };
            const lines = monLines({ state, nodes, trouble: undefined, glyphs: blocks }, { columns, rows });
            if (lines.length > rows) throw new Error(`${lines.length} lines on ${rows} rows`);
            const base = lines.find((pieces) => lineText(pieces).includes('└'));
            const wide = base === undefined || columns < 9 ? 0 : lineWidth(base);
            if (wide > columns)
              throw new Error(`${wide} columns on ${columns}: ${JSON.stringify({ rows, measure, names })}`);
          }
});

test('what is wrong with the queue is on the first line', () => {
  const lines = monLines(
    { state: initialMon, nodes: [node('a')], trouble: 'the queue has been away for 5 s', glyphs: ascii },
    { columns: 80, rows: 24 },
  );
  expect(texts(lines)[0]).toBe('the queue has been away for 5 s');
  expect(texts(lines).join('\n')).toContain('1.00|');
});

test('as plain text every node is there, however many', () => {
  const text = monText([...manyNodes(40), node('gone', { state: 'down' })], 80, ascii);
  for (const name of ['node-001', 'node-040', 'gone']) expect(text).toContain(name);
  expect(text).toContain('total: 40 up');
  expect(text).not.toContain('quit');
  expect(
    monText([node('a')], 80, ascii)
      .split('\n')
      .every((row) => row.length <= 80),
  ).toBe(true);
});
