import { readFileSync } from 'node:fs';

import { until } from '../until.ts';
import type { ClusterNode } from './node.ts';

/**
 * Puts something over a path on one machine of the cluster alone, whose worker is running: `['--bind', FILE]`, or
 * `['-t', 'tmpfs', '-o', 'size=1m', 'none']`. It goes with the machine, or by the function that is returned.
 */
export async function mountOn(
  node: Pick<ClusterNode, 'outsider' | 'workerPid'>,
  what: readonly string[],
  path: string,
): Promise<() => Promise<void>> {
  const isMounted = (): boolean =>
    readFileSync(`/proc/${node.workerPid()}/mountinfo`, 'utf8')
      .split('\n')
      .some((line) => line.split(' ')[4] === path);
  node.outsider(['mount', ...what, path]);
  await until(isMounted);
  return async () => {
    node.outsider(['umount', '-l', path]);
    await until(() => !isMounted());
  };
}
