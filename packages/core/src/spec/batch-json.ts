import type { BatchDocument, DocumentParser } from './batch-document.ts';
import type { PathStep } from './problem.ts';

const maxDepth = 64;

/** Strict JSON (RFC 8259) that keeps positions, and refuses keys given twice: `JSON.parse` does neither. */
export const parseJsonDocument: DocumentParser = (text) => {
  try {
    return new JsonReader(text).document();
  } catch (error) {
    if (error instanceof JsonProblem) return { offset: error.offset, what: error.message };
    throw error;
  }
};

class JsonProblem extends Error {
  readonly offset: number;

  constructor(offset: number, what: string) {
    super(what);
    this.offset = offset;
  }
}

interface Node {
  readonly value: unknown;
  readonly start: number;
  readonly end: number;
  /** Of a value in an object. */
  readonly keyStart?: number;
  readonly children?: ReadonlyMap<PathStep, Node>;
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): BatchDocument {
    const root = this.#value(0);
    this.#blanks();
    if (this.#at < this.#text.length) throw this.#problem('text after the end of the value');
    const find = (path: readonly PathStep[]): Node | undefined =>
      path.reduce<Node | undefined>((node, step) => node?.children?.get(step), root);
    return {
      value: root.value,
      offsetOf: (path) => find(path)?.keyStart ?? find(path)?.start,
      sourceOf: (path) => {
        const node = find(path);
        return node === undefined ? undefined : this.#text.slice(node.start, node.end);
      },
    };
  }

  #value(depth: number): Node {
    this.#blanks();
    if (depth > maxDepth) throw this.#problem('nested too deeply');
    const start = this.#at;
    const char = this.#text[start];
    if (char === '{' || char === '[') return this.#container(char, depth);
    if (char === '"') return { value: this.#string(), start, end: this.#at };
    const literal = this.#match(/(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y);
    if (literal === undefined) throw this.#problem('expected a value');
    return { value: JSON.parse(literal) as unknown, start, end: this.#at };
  }

  #container(open: '{' | '[', depth: number): Node {
    const start = this.#at;
    const close = open === '{' ? '}' : ']';
    const children = new Map<PathStep, Node>();
    this.#at += 1;
    this.#blanks();
    let more = this.#text[this.#at] !== close;
    while (more) {
      this.#blanks();
      const keyStart = this.#at;
      if (open === '{') children.set(this.#key(children), { ...this.#value(depth + 1), keyStart });
      else children.set(children.size, this.#value(depth + 1));
      this.#blanks();
      more = this.#text[this.#at] === ',';
      if (more) this.#at += 1;
    }
    if (this.#text[this.#at] !== close) throw this.#problem(`expected , or ${close}`);
    this.#at += 1;
    const pairs = [...children].map(([step, node]) => [step, node.value] as const);
    const value = open === '{' ? Object.fromEntries(pairs) : pairs.map(([, child]) => child);
    return { value, start, end: this.#at, children };
  }

  #key(children: ReadonlyMap<PathStep, Node>): string {
    const start = this.#at;
    if (this.#text[start] !== '"') throw this.#problem('expected a key in double quotes');
    const key = this.#string();
    if (children.has(key)) {
      this.#at = start;
      throw this.#problem(`the key '${key}' is given twice`);
    }
    this.#blanks();
    if (this.#text[this.#at] !== ':') throw this.#problem('expected :');
    this.#at += 1;
    return key;
  }

  #string(): string {
    // oxlint-disable-next-line no-control-regex
    const literal = this.#match(/"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y);
    if (literal === undefined)
      throw this.#problem('a text that is not closed, or has a newline or a wrong escape in it');
    return JSON.parse(literal) as string;
  }

  #blanks(): void {
    this.#match(/[ \t\r\n]*/y);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #problem(what: string): JsonProblem {
    if (this.#at < this.#text.length) return new JsonProblem(this.#at, what);
    return new JsonProblem(this.#at, `${what}, but the file ends here`);
  }
}
