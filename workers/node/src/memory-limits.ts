import { readProcessTable, treeRss } from '@omx/launch';

import type { Attempt } from './attempt.ts';

/** Running jobs that hold more memory than their `--mem`. Pages shared within a job count once for each process. */
export function overMemoryLimit(attempts: Iterable<Attempt>): Attempt[] {
  const limited = [...attempts].filter((attempt) => attempt.memBytes !== undefined && attempt.phase === 'running');
  if (limited.length === 0) return [];
  const table = readProcessTable();
  return limited.filter(({ pid, memBytes = Infinity }) => pid !== undefined && treeRss(pid, table) > memBytes);
}
