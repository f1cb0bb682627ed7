import { OmxError } from '@omx/core';
import { builtinParsers, type BuiltinParser } from './parsers/builtin.ts';

/** A `--parse` value, taken apart. */
export type ParserSpec =
  | { readonly kind: 'builtin'; readonly parser: BuiltinParser; readonly argument: string | undefined }
  | { readonly kind: 'module'; readonly path: string };

const modulePath = /^\.{0,2}\/.*\.(?:mjs|js|cjs)$/s;
const moduleLike = /[/\\]|\.[mc]?[jt]s$/;

/**
 * Checks what a user gave to `--parse`: the name, its argument, a pattern's syntax. Of a module only the shape of the
 * path is looked at; it may exist on the nodes alone.
 *
 * @throws OmxError `PARSER_UNKNOWN` for a name, `PARSER_INVALID` for an argument
 */
export function checkParser(spec: string): void {
  parserSpecOf(spec);
}

/** The parser a `--parse` value names; throws as {@link checkParser} does. */
export function parserSpecOf(spec: string): ParserSpec {
  if (modulePath.test(spec) && !spec.includes('\0')) return { kind: 'module', path: spec };
  const colon = spec.indexOf(':');
  const name = colon === -1 ? spec : spec.slice(0, colon);
  const argument = colon === -1 ? undefined : spec.slice(colon + 1);
  const parser = builtinParsers.get(name);
  if (parser === undefined) throw unknownParser(spec);
  if (parser.checkArgument !== undefined) parser.checkArgument(argument);
  else if (argument !== undefined) {
    throw new OmxError(`parser ${name} takes no argument, got '${argument}'`, {
      code: 'PARSER_INVALID',
      hint: `write --parse ${name}`,
    });
  }
  return { kind: 'builtin', parser, argument };
}

function unknownParser(spec: string): OmxError {
  const known = Array.from(builtinParsers.values(), ({ usage }) => usage).join(', ');
  const hint = moduleLike.test(spec)
    ? 'a module is given as ./my-parser.mjs or /path/to/my-parser.mjs and ends in .mjs, .js or .cjs'
    : `known are ${known}, or the path of a module such as ./my-parser.mjs`;
  return new OmxError(`there is no parser '${spec}'`, { code: 'PARSER_UNKNOWN', hint });
}
