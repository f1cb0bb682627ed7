/** A row of a parser with the job it belongs to; a parser's own `id` gives way to the job's and is kept as `id_`. */
export type ResultRow = Readonly<Record<string, unknown>>;

export function resultRow(id: string, fields: Readonly<Record<string, unknown>>): ResultRow {
  const { id: own, ...rest } = fields;
  return own === undefined ? { id, ...rest } : { id, id_: own, ...rest };
}

/** All columns that occur, in the order of their first appearance; the job's id first. */
export function resultColumns(rows: Iterable<ResultRow>): string[] {
  const columns = new Set(['id']);
  for (const row of rows) for (const key of Object.keys(row)) columns.add(key);
  return [...columns];
}

/** A value as text of one cell: nothing for null, JSON for what is no plain value. */
export function resultCell(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
