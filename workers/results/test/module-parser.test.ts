import { utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { expect, test } from 'vitest';
import { context, errorIn, moduleFile, pool, request } from './kit.ts';

test('a default export receives text and context', async () => {
  const parser = moduleFile('export default (text, context) => ({ text, ...context })');
  expect(await pool().parse(request(parser, 'out', 'err'))).toEqual({
    rows: [{ text: 'out', ...context, err: 'err' }],
  });
});

test('an export named parse, a relative path, a promise of rows', async () => {
  const path = moduleFile('export async function parse(text) { return text.split(" ").map((word) => ({ word })) }');
  const relative = { ...request(`./${basename(path)}`, 'a b'), cwd: dirname(path) };
  expect(await pool().parse(relative)).toEqual({ rows: [{ word: 'a' }, { word: 'b' }] });
});

test.each(['null', 'undefined', '[]'])('%s is no rows', async (value) => {
  expect(await pool().parse(request(moduleFile(`export default () => ${value}`)))).toEqual({ rows: [] });
});

test('an edited module is the one that runs', async () => {
  const results = pool();
  const path = moduleFile('export default () => ({ version: 1 })');
  expect(await results.parse(request(path))).toEqual({ rows: [{ version: 1 }] });
  writeFileSync(path, 'export default () => ({ version: 2 })');
  utimesSync(path, 1, 1);
  expect(await results.parse(request(path))).toEqual({ rows: [{ version: 2 }] });
});

test('a fault says its place in the file', async () => {
  const path = moduleFile('export default () => {\n  nowhere();\n}');
  expect(errorIn(await pool().parse(request(path)))).toBe('nowhere is not defined (my-parser.mjs:2:3)');
});

test.each([
  ['a missing file', '/nowhere/p.mjs', /\/nowhere\/p.mjs is not there/],
  ['a relative path without a directory', './p.mjs', /its directory is not known/],
])('%s', async (_, parser, message) => {
  expect(errorIn(await pool().parse(request(parser)))).toMatch(message);
});

test.each([
  ['no function', 'export const parse = 3', /exports no function/],
  ['bad syntax', 'export default (', /Unexpected/],
  ['a row that is none', 'export default () => "text"', /row 1 is a string/],
  ['an import that fails', 'import "nothing-of-this-name"; export default () => null', /nothing-of-this-name/],
])('%s', async (_, source, message) => {
  expect(errorIn(await pool().parse(request(moduleFile(source))))).toMatch(message);
});
