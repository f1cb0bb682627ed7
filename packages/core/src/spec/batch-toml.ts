import { parse, TomlError } from 'smol-toml';

import type { DocumentParser } from './batch-document.ts';
import type { PathStep } from './problem.ts';

/** One TOML 1.0 document. The parser keeps no positions, so keys are looked for in the text. */
export const parseTomlDocument: DocumentParser = (text) => {
  try {
    return { value: parse(text), offsetOf: (path) => offsetOfKey(text, path), sourceOf: () => undefined };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.replace(/^Invalid TOML document: /, '').split('\n')[0] ?? '';
    return { offset: offsetOfLine(text, error.line) + error.column - 1, what };
  }
};

/** The deepest key of the path that is written as `key =` or `[key]`; good enough to lead the eye to the line. */
function offsetOfKey(text: string, path: readonly PathStep[]): number | undefined {
  for (const key of path.filter((step) => typeof step === 'string').toReversed()) {
    const name = key.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    const match = new RegExp(`^([ \\t]*(?:\\[[ \\t]*|.*[.{,][ \\t]*)?)["']?${name}["']?[ \\t]*[=\\].]`, 'm').exec(text);
    if (match !== null) return match.index + (match[1] ?? '').length;
  }
  return undefined;
}

function offsetOfLine(text: string, line: number): number {
  let offset = 0;
  for (let passed = 1; passed < line; passed += 1) offset = text.indexOf('\n', offset) + 1;
  return offset;
}
