/** What one attempt of a job left in the trace of `witness` (test/fixtures/bin). Times are seconds since the boot. */
export interface Execution {
  readonly job: string;
  readonly attempt: number;
  readonly node: string;
  readonly pid: number;
  readonly startedAt: number;
  /** The last time one of its processes was seen to compute. */
  lastAt: number;
  /** Its own process came to its end. */
  ended: boolean;
}

interface Line {
  readonly what: string;
  readonly job: string;
  readonly attempt: number;
  readonly node: string;
  readonly pid: number;
  readonly at: number;
}

/** Every attempt that has begun, in that order. */
export function executions(lines: readonly string[]): Execution[] {
  const found = new Map<string, Execution>();
  for (const { what, job, attempt, node, pid, at } of lines.map(parse)) {
    const known = found.get(`${job}#${attempt}`);
    if (known === undefined) {
      found.set(`${job}#${attempt}`, { job, attempt, node, pid, startedAt: at, lastAt: at, ended: false });
    } else {
      known.lastAt = at;
      known.ended ||= what === 'end';
    }
  }
  return [...found.values()];
}

/**
 * What must never be seen, in words; nothing is as it must be. The order of the lines is the order in which the kernel
 * took the writes, so no clock is asked whether two attempts of a job computed at the same time: once a later attempt has
 * written, an earlier one must not write any more, nor any child of it.
 *
 * @param wakingMs for so long an earlier attempt may go on after all, from its first line too many: a machine that stood
 * still as a whole and wakes runs its jobs for the moment until its shepherd has stopped them
 */
export function misdeeds(lines: readonly string[], { wakingMs = 0 }: { readonly wakingMs?: number } = {}): string[] {
  const newest = new Map<string, Line>();
  const ended = new Set<string>();
  /** Since when an attempt that must not go on was seen to do so. */
  const late = new Map<string, number>();
  const found: string[] = [];
  for (const text of lines) {
    const line = parse(text);
    const { what, job, attempt, at } = line;
    const key = `${job}#${attempt}`;
    const known = newest.get(job);
    if (known !== undefined && attempt < known.attempt) {
      const since = late.get(key) ?? at;
      late.set(key, since);
      const allowed = what !== 'start' && (at - since) * 1000 < wakingMs;
      if (!allowed) found.push(`${key} computes (${text}) though #${known.attempt} has begun`);
      continue;
    }
    if (what === 'start') {
      if (known !== undefined && known.attempt === attempt) found.push(`${key} was started twice (${text})`);
      newest.set(job, line);
    } else if (known?.attempt !== attempt) found.push(`${key} computes without a start (${text})`);
    if (what === 'end' && ended.has(key)) found.push(`${key} ended twice (${text})`);
    if (what === 'beat' && ended.has(key)) found.push(`${key} goes on after its end (${text})`);
    if (what === 'end') ended.add(key);
  }
  return found;
}

function parse(text: string): Line {
  const [what = '', job = '', attempt = '', node = '', pid = '', at = '', ...more] = text.split(' ');
  if (!/^\d+\.\d+$/.test(at) || more.length > 0) throw new Error(`not a line of witness: '${text}'`);
  return { what, job, attempt: Number(attempt), node, pid: Number(pid), at: Number(at) };
}
