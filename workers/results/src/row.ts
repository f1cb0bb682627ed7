/** What JSON can say. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** One finding of a parser: named values, in the order the parser gave them. */
export type Row = Readonly<Record<string, JsonValue>>;
