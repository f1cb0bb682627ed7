import type { Commands } from '../batches.ts';
import { until } from '../until.ts';

/** Waits until these nodes offer CRIU: a worker tries it out beside its other work. */
export async function criuReady({ omx }: Commands, ...nodes: readonly string[]): Promise<void> {
  const offers = async (): Promise<string[]> =>
    (await omx(['nodes', '--json']))
      .jsonLines<{ name: string; state: string; launchers: string[] }>()
      .filter(({ state, launchers }) => state === 'up' && launchers.includes('criu'))
      .map(({ name }) => name);
  await until(offers, { is: (found) => nodes.every((name) => found.includes(name)), timeoutMs: 30_000 });
}
