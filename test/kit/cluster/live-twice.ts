import { linesOf } from '../batches.ts';

/** One process of a job, as its traces show it. Times are milliseconds since the epoch. */
export interface Execution {
  readonly job: string;
  readonly attempt: number;
  readonly node: string;
  readonly pid: number;
  readonly first: number;
  /** The last time it was seen to compute. */
  readonly last: number;
  readonly ended: boolean;
}

/** Reads what `tick` (test/fixtures/bin) wrote: a line at its start, at every tick and at its end. */
export function executions(path: string): Execution[] {
  const found = new Map<string, Execution>();
  for (const line of linesOf(path)) {
    const [job = '', attempt = '', node = '', pid = '', what = '', at = ''] = line.split(' ');
    const key = [job, attempt, node, pid].join(' ');
    const before = found.get(key);
    found.set(key, {
      job,
      attempt: Number(attempt),
      node,
      pid: Number(pid),
      first: before?.first ?? Number(at),
      last: Number(at),
      ended: what === 'end',
    });
  }
  return [...found.values()].sort((a, b) => a.first - b.first);
}

/** Pairs of processes of one job that computed at the same time, in words; none is as it must be. */
export function liveTwice(path: string): string[] {
  const all = executions(path);
  return all.flatMap((one, at) =>
    all
      .slice(at + 1)
      .filter((other) => other.job === one.job && other.first <= one.last)
      .map((other) => `${describe(one)} and ${describe(other)}`),
  );
}

function describe({ job, attempt, node, pid, first, last }: Execution): string {
  return `${job}#${attempt} on ${node} (process ${pid}) from ${first} to ${last}`;
}
