/**
 * `npm run report-tables`: the report's measurements on imitated machines. With `--short` in less than a minute, with
 * smaller loads and looser limits; with `--only NAME` a part of it. Exit code 0: all reached; 1: something was not; 77: it
 * cannot be measured here.
 */
import { register } from 'node:module';
import { parseArgs } from 'node:util';

register('./typescript-loader.mjs', import.meta.url);
const { reportTables } = await import('./report-tables.ts');
const { values } = parseArgs({ options: { short: { type: 'boolean' }, only: { type: 'string' } } });
process.exitCode = await reportTables(values.short === true, values.only);
