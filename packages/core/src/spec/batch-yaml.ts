import { Composer, isAlias, isMap, isNode, isScalar, Lexer, Parser, visit, type CST, type Document } from 'yaml';

import type { DocumentParser, SyntaxProblem } from './batch-document.ts';
import type { PathStep } from './problem.ts';

const maxDepth = 100;

/** One YAML 1.2 document. Keys given twice, unknown tags, deep nesting and alias bombs are refused. */
export const parseYamlDocument: DocumentParser = (text) => {
  const tokens = tokensOf(text);
  if ('what' in tokens) return tokens;
  const [document, second] = [...new Composer({ prettyErrors: false }).compose(tokens, true, text.length)];
  if (document === undefined) return { offset: 0, what: 'the file is empty' };
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) return { offset: problem.pos[0], what: reasonOf(problem) };
  keysAsWritten(document);
  if (second !== undefined)
    return { offset: second.range[0], what: 'a second document starts here; a batch file is one' };
  try {
    return {
      value: document.toJS({ maxAliasCount: 100 }) as unknown,
      offsetOf: (path) => offsetOf(document, path),
      sourceOf: (path) => sourceOf(document, path),
    };
  } catch (error) {
    if (error instanceof ReferenceError) return { offset: 0, what: 'its aliases repeat more than a batch can hold' };
    throw error;
  }
};

/** Keys are texts: `null` (an option), `007` and `true` mean what is written. */
function keysAsWritten(document: Document): void {
  visit(document, {
    Pair: (_, { key }) => {
      if (isScalar(key) && typeof key.value !== 'string' && key.source !== undefined) key.value = key.source;
    },
  });
}

/**
 * The composer recurses, and an overflow of its stack cannot be relied on to be an exception (a regular expression compiled
 * near the end of the stack aborts the process), so the depth is watched while the tokens are made.
 */
function tokensOf(text: string): CST.Token[] | SyntaxProblem {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > maxDepth) return { offset: parser.offset, what: 'nested too deeply' };
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

function reasonOf(problem: { code: string; message: string }): string {
  if (problem.code === 'DUPLICATE_KEY') return 'the key is given twice';
  return problem.message.split('\n')[0] ?? problem.code;
}

function offsetOf(document: Document, path: readonly PathStep[]): number | undefined {
  const last = path.at(-1);
  const parent = last === undefined ? undefined : resolved(document, path.slice(0, -1));
  if (!isMap(parent)) {
    const node = resolved(document, path);
    return isNode(node) ? node.range?.[0] : undefined;
  }
  const key = parent.items.map((item) => item.key).find((node) => isScalar(node) && String(node.value) === last);
  return isScalar(key) ? key.range?.[0] : undefined;
}

function sourceOf(document: Document, path: readonly PathStep[]): string | undefined {
  const node = resolved(document, path);
  return isScalar(node) ? node.source : undefined;
}

/** The node of a path; aliases lead to what they name. */
function resolved(document: Document, path: readonly PathStep[]): unknown {
  let node: unknown = document.contents;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (!isNode(node) || !('get' in node)) return undefined;
    node = (node as { get(key: PathStep, keepScalar: true): unknown }).get(step, true);
  }
  return isAlias(node) ? node.resolve(document) : node;
}
