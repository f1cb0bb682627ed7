import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ParseRequest, ParseResult, ResultsPoolOptions } from '../src/index.ts';
import { ResultsPool } from '../src/index.ts';

export const context = { batch: 'b7', index: 3, value: 'x', exitCode: 0 } as const;

/** A folder of its own that goes with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'omx-results-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A user's parser module with this source. */
export function moduleFile(source: string): string {
  const path = join(folder(), 'my-parser.mjs');
  writeFileSync(path, source);
  return path;
}

export function pool(options?: ResultsPoolOptions): ResultsPool {
  const made = new ResultsPool(options);
  onTestFinished(() => made.close());
  return made;
}

export function request(parser: string, out = '', err = ''): ParseRequest {
  return { parser, out: Buffer.from(out), err: Buffer.from(err), context };
}

/** The error of a result that must be one. */
export function errorIn(result: ParseResult): string {
  if ('rows' in result) throw new Error(`rows where an error was expected: ${JSON.stringify(result.rows)}`);
  return result.error;
}

/** How many threads the kernel counts in this process. */
export function threadCount(): number {
  return readdirSync('/proc/self/task').length;
}
