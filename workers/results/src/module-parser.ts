import { statSync } from 'node:fs';
import { basename, isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { faultMessage } from './fault-message.ts';
import type { ParserOutput } from './parser.ts';
import type { ParseContext } from './request.ts';

export interface ModuleParse {
  readonly path: string;
  readonly cwd: string | undefined;
  readonly output: ParserOutput;
  readonly context: ParseContext;
}

/** What a user's module receives beside the text of standard output. */
interface ModuleContext extends ParseContext {
  readonly err: string;
}

type ModuleFunction = (text: string, context: ModuleContext) => unknown;

/**
 * Runs a user's parser module: its default export, or the one named `parse`, called with the text of standard output
 * and the context. It gives a row, rows or nothing, at once or as a promise. Only for a parser thread: it runs
 * whatever the module contains.
 */
export async function parseWithModule({ path, cwd, output, context }: ModuleParse): Promise<readonly unknown[]> {
  const url = versionedUrl(path, cwd);
  const { out } = output;
  const moduleContext: ModuleContext = {
    ...context,
    get err() {
      return output.err;
    },
  };
  try {
    const exports: ModuleExports = await import(url);
    const parse = parseFunction(exports, path);
    const found = await parse(out, moduleContext);
    if (found === null || found === undefined) return [];
    return Array.isArray(found) ? found : [found];
  } catch (error) {
    throw new Error(`${faultMessage(error)}${placeIn(url, error)}`, { cause: error });
  }
}

/** The file's time and size are part of the URL, so that an edited module is loaded anew and not from the thread's cache. */
function versionedUrl(path: string, cwd: string | undefined): string {
  if (cwd === undefined && !isAbsolute(path)) throw new Error(`parser module ${path}: its directory is not known`);
  const file = cwd === undefined ? path : resolve(cwd, path);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw new Error(`parser module ${file} is not there, or is not a file`);
  return `${pathToFileURL(file).href}?v=${stat.mtimeMs}-${stat.size}`;
}

interface ModuleExports {
  readonly default?: unknown;
  readonly parse?: unknown;
}

function parseFunction(exports: ModuleExports, path: string): ModuleFunction {
  if (isFunction(exports.default)) return exports.default;
  if (isFunction(exports.parse)) return exports.parse;
  throw new Error(`parser module ${path} exports no function as default or as 'parse'`);
}

function isFunction(value: unknown): value is ModuleFunction {
  return typeof value === 'function';
}

/** ` (my-parser.mjs:12:5)`: the innermost place in the user's file, for there is no other way to see the stack. */
function placeIn(url: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const at = stack.indexOf(url);
  if (at === -1) return '';
  const position = /^:\d+(?::\d+)?/.exec(stack.slice(at + url.length))?.[0] ?? '';
  return ` (${basename(new URL(url).pathname)}${position})`;
}
