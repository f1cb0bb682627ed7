/**
 * `npm run report-tables`: the report's measurements on imitated machines. With `--short` in less than a minute, with
 * smaller loads and looser limits. Exit code 0: all reached; 1: something was not; 77: it cannot be measured here.
 */
import { register } from 'node:module';

register('./typescript-loader.mjs', import.meta.url);
const { reportTables } = await import('./report-tables.ts');
process.exitCode = await reportTables(process.argv.includes('--short'));
