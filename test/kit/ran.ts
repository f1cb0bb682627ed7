import { fileURLToPath } from 'node:url';

import type { OmxOptions, TestHome } from './home.ts';

/** A program of test/fixtures/bin by its path. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/bin/${name}`, import.meta.url));
}

/** A batch that has ended, as its user sees it. */
export interface RanBatch {
  readonly id: string;
  /** Of `submit --wait`. */
  readonly code: number;
  /** The lines of `jobs --json`. */
  readonly jobs: readonly any[];
  /** What each job wrote to stdout, by index. */
  readonly out: Readonly<Record<string, Buffer>>;
}

/** Submits a batch, waits for its end and reads it back, all by the command line. */
export async function ran(home: TestHome, args: readonly string[], options?: OmxOptions): Promise<RanBatch> {
  const submitted = await home.omx(['submit', '--json', '--wait', ...args], options);
  if (submitted.stdout === '') throw new Error(`nothing was submitted: ${submitted.stderr}`);
  const { id } = submitted.json();
  const { jobs, out } = await read(home, [id]);
  return { id, code: submitted.code, jobs, out: out(id) };
}

interface Wanted {
  readonly args: readonly string[];
  readonly input?: string;
}

/** Submits several batches, waits for all and reads all back at once, which is a lot faster than one by one. */
export async function ranTogether(
  home: TestHome,
  wanted: Readonly<Record<string, Wanted>>,
): Promise<Map<string, RanBatch>> {
  const ids = new Map<string, string>();
  for (const [name, { args, input = '' }] of Object.entries(wanted)) {
    const submitted = await home.omx(['submit', '--json', ...args], { input });
    if (submitted.code !== 0) throw new Error(`${name}: nothing was submitted: ${submitted.stderr}`);
    ids.set(name, submitted.json().id);
  }
  const { code } = await home.omx(['wait', ...ids.values()]);
  const { jobs, out } = await read(home, [...ids.values()]);
  const jobsOf = (id: string): any[] => jobs.filter((job) => job.id.startsWith(`${id}.`));
  return new Map([...ids].map(([name, id]) => [name, { id, code, jobs: jobsOf(id), out: out(id) }]));
}

async function read(
  home: TestHome,
  ids: readonly string[],
): Promise<{ jobs: any[]; out: (id: string) => Record<string, Buffer> }> {
  const [jobs, logs] = await Promise.all([home.omx(['jobs', ...ids, '--json']), home.omx(['logs', ...ids, '--json'])]);
  const pieces = logs.jsonLines();
  const out = (id: string): Record<string, Buffer> => {
    const found: Record<string, Buffer> = {};
    for (const piece of pieces.filter((each) => each.id.startsWith(`${id}.`))) {
      const index = piece.id.slice(id.length + 1);
      const bytes = piece.text === undefined ? Buffer.from(piece.base64, 'base64') : Buffer.from(piece.text);
      found[index] = Buffer.concat([found[index] ?? Buffer.alloc(0), bytes]);
    }
    return found;
  };
  return { jobs: jobs.jsonLines(), out };
}
