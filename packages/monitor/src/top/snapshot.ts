import { headText, jobText, tableFor } from './columns.ts';
import { arrange } from './order.ts';
import type { TopSnapshot } from './row.ts';

/** No command is longer, so nothing is cut. */
const endless = 1_000_000;

/** The table once, as text, with every job that runs. */
export function topText(snapshot: TopSnapshot): string {
  const rows = arrange(snapshot.running, '', 'cpu', false);
  const table = tableFor(rows, endless);
  const lines = [headText(table), ...rows.map((row) => jobText(table, row))];
  return lines.map((text) => `${text.trimEnd()}\n`).join('');
}
