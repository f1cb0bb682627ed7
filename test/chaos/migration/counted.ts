/** What one job has counted (`count.c`), in the order in which the kernel took the writes. */
interface Standing {
  readonly attempt: number;
  readonly step: number;
  readonly ended: boolean;
}

/** In half a second. */
const wakingSteps = 25;

/**
 * What must never be seen in a trace, in words; nothing is as it must be. Whoever goes on after a move counts on by one. A number
 * that comes again, with nobody having been restarted, was counted by two copies; one that is missing was lost.
 *
 * @param restarts so often a job may have been set back, to its begin or to an image
 * @param wakings so often a machine that stood still as a whole has woken: an attempt that is none any more may go on for half
 * a second then, until its shepherd has stopped it
 */
export function miscounts(lines: readonly string[], restarts: number, wakings = 0): string[] {
  const standing = new Map<string, Standing>();
  const found: string[] = [];
  let setBack = 0;
  let late = 0;
  for (const text of lines) {
    const match = /^(beat|end) (\S+) (\d+) (\d+)$/.exec(text);
    if (match === null) {
      found.push(`not a line of count: '${text}'`);
      continue;
    }
    const [, what, job = ''] = match;
    const [attempt, step] = [Number(match[3]), Number(match[4])];
    const before = standing.get(job) ?? { attempt, step: 0, ended: false };
    if (attempt < before.attempt) {
      late += 1;
      if (what === 'end' || late > wakings * wakingSteps)
        found.push(`attempt ${attempt} goes on (${text}) though ${before.attempt} has begun`);
      continue;
    }
    if (step > before.step + 1) found.push(`steps are missing between ${before.step} and ${step} (${text})`);
    else if (step <= before.step || before.ended || attempt > before.attempt) {
      setBack += 1;
      if (setBack > restarts) found.push(`${text} comes after step ${before.step} of attempt ${before.attempt}`);
    }
    standing.set(job, { attempt, step, ended: what === 'end' });
  }
  for (const [job, { ended, step }] of standing) if (!ended) found.push(`${job} did not come to its end after ${step}`);
  // One fault may be followed by hundreds that only follow from it.
  return found.slice(0, 20);
}

/** What a job must have printed that counted, was moved and maybe restarted: every step once and in order. */
export function isWhole(output: string): boolean {
  const lines = output.split('\n');
  const steps = lines.length - 2;
  return (
    steps >= 0 &&
    lines.every((line, at) => line === (at < steps ? String(at + 1) : at === steps ? `end ${steps + 1}` : ''))
  );
}
