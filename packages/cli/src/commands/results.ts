import { ExitCode, indexOf, jobId, OmxError } from '@omx/core';
import type { JobRows } from '@omx/queue';

import { type Io, say, write } from '../io.ts';
import { csvLine } from '../render/csv.ts';
import { type Paint, painter } from '../render/paint.ts';
import { resultCell, resultColumns, type ResultRow, resultRow } from '../render/result-cells.ts';
import { type Column, cut, oneLine, renderTable } from '../render/table.ts';
import { failuresOnly, jobFilter, select, type Selection, type StateFilter } from '../select.ts';
import { type Session, withSession } from '../session.ts';

interface ResultsOptions extends StateFilter {
  readonly redis?: string;
  readonly csv?: boolean;
  readonly json?: boolean;
}

/** Rows written at a time. */
const together = 1000;
const widestCell = 60;

/** `omx results`: what the parser found in the output of each job's newest attempt. */
export async function results(io: Io, selectors: readonly string[], options: ResultsOptions): Promise<number> {
  jobFilter(options);
  return withSession(io, options, async (session) => {
    const selections = await select(session, selectors);
    const parsed = selections.filter(({ batch }) => batch.spec.parse !== undefined);
    const without = selections.find(({ batch }) => batch.spec.parse === undefined);
    if (parsed.length === 0 && without !== undefined) {
      throw new OmxError(`${without.batch.id} has no parser, so there are no rows`, {
        code: 'NO_PARSER',
        exitCode: ExitCode.usage,
        hint: 'submit with --parse PARSER (lines, regex:…, keyvalue, csv, json, fib, keygen, time or ./module.mjs)',
      });
    }
    if (options.json === true) {
      for (const selection of parsed)
        for await (const rows of rowsOf(session, selection, options))
          await write(io.stdout, rows.map(jsonLine).join(''));
      return 0;
    }
    // The columns are known only when all rows are.
    const rows: ResultRow[] = [];
    for (const selection of parsed)
      for await (const some of rowsOf(session, selection, options)) for (const row of some) rows.push(row);
    if (options.csv === true) await writeCsv(io, rows);
    else if (rows.length === 0) say(io, 'no rows yet: rows come as jobs end');
    else await writeTable(io, rows);
    return 0;
  });
}

/** Rows of the selected jobs in the order of the jobs; a row of an attempt that is no longer the newest does not count. */
async function* rowsOf(
  session: Session,
  { batch, spans }: Selection,
  filter: StateFilter,
): AsyncGenerator<ResultRow[]> {
  const passes = jobFilter(filter);
  const found = new Map<number, JobRows>();
  for (const job of await session.outputs.rows(batch)) found.set(job.ordinal, job);
  if (found.size === 0) return;
  for await (const snapshots of session.jobs.scan(batch, spans, { failedOnly: failuresOnly(filter) })) {
    const rows = snapshots.flatMap(({ job, ordinal }) => {
      const parsed = found.get(ordinal);
      if (parsed === undefined || parsed.attempt !== job.attempt || !passes(job)) return [];
      const id = jobId(batch.id, indexOf(batch.spec.jobs, ordinal));
      if (parsed.error !== undefined) return [{ id, error: parsed.error }];
      return (parsed.rows ?? []).map((row) => resultRow(id, row));
    });
    if (rows.length > 0) yield rows;
  }
}

function jsonLine(row: ResultRow): string {
  return `${JSON.stringify(row)}\n`;
}

async function writeCsv(io: Io, rows: readonly ResultRow[]): Promise<void> {
  const columns = resultColumns(rows);
  await write(io.stdout, csvLine(columns));
  for (let at = 0; at < rows.length; at += together) {
    const some = rows.slice(at, at + together);
    await write(io.stdout, some.map((row) => csvLine(columns.map((column) => resultCell(row[column])))).join(''));
  }
}

async function writeTable(io: Io, rows: readonly ResultRow[]): Promise<void> {
  const paint = painter(io);
  const names = resultColumns(rows);
  const columns: Column[] = names.map((name) => ({
    title: oneLine(name),
    align: rows.every((row) => row[name] === undefined || typeof row[name] === 'number') ? 'right' : 'left',
  }));
  const cells = rows.map((row) => names.map((name) => cell(row, name, names.length > 2, paint)));
  for (const [at, line] of renderTable(columns, cells, paint).entries()) {
    if (at % together === 0 && io.stdout.destroyed) return;
    await write(io.stdout, `${line}\n`);
  }
}

function cell(row: ResultRow, name: string, cutLong: boolean, paint: Paint): string {
  const text = oneLine(resultCell(row[name]));
  const short = cutLong ? cut(text, widestCell) : text;
  return name === 'error' && Object.keys(row).length === 2 ? paint('red', short) : short;
}
