import { expect, test } from 'vitest';

import { csvLine } from '../../src/render/csv.ts';
import { percentile } from '../../src/render/percentile.ts';
import { resultCell, resultColumns, resultRow } from '../../src/render/result-cells.ts';
import { signalName } from '../../src/render/signals.ts';

test('CSV cells are quoted where they must be', () => {
  expect(csvLine(['b7.1', 'a,b', 'say "hi"', 'two\nlines', ' x', ''])).toBe(
    'b7.1,"a,b","say ""hi""","two\nlines"," x",\n',
  );
});

test('percentiles are values that occur', () => {
  const sorted = Float64Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect([0, 50, 95, 100].map((percent) => percentile(sorted, percent))).toEqual([1, 5, 10, 10]);
  expect(percentile(new Float64Array(), 50)).toBeUndefined();
});

test.each([
  [9, 'SIGKILL'],
  [6, 'SIGABRT'],
  [11, 'SIGSEGV'],
  [34, 'SIGRTMIN'],
  [40, 'SIGRTMIN+6'],
  [99, 'SIG99'],
])('signal %d is %s', (signal, name) => {
  expect(signalName(signal)).toBe(name);
});

test('the job’s id comes first and a parser’s own is kept', () => {
  const rows = [resultRow('b7.1', { n: 1 }), resultRow('b7.2', { id: 'own', m: [1] })];
  expect(JSON.stringify(rows[1])).toBe('{"id":"b7.2","id_":"own","m":[1]}');
  expect(resultColumns(rows)).toEqual(['id', 'n', 'id_', 'm']);
});

test.each([
  [null, ''],
  [undefined, ''],
  ['text', 'text'],
  [1.5, '1.5'],
  [false, 'false'],
  [{ a: 1 }, '{"a":1}'],
])('%j as a cell is %j', (value, text) => {
  expect(resultCell(value)).toBe(text);
});
