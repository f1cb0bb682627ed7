/**
 * The results pool: turns the output of jobs into rows, in threads of its own, because a parser may throw, loop, eat
 * memory or be a user's. Importing this is cheap; threads and piscina come with the first request.
 */
export { checkParser } from './parser-spec.ts';
export { ResultsPool, type ResultsPoolOptions } from './results-pool.ts';
export type { OutputSource, ParseContext, ParseRequest, ParseResult } from './request.ts';
export type { JsonValue, Row } from './row.ts';
