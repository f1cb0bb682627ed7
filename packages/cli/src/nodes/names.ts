import { type NodeInfo, usageError } from '@omx/core';

import type { Session } from '../session.ts';

/**
 * The nodes a user names: `n1 n2`, `n1,n2`, each once.
 * @throws OmxError with exit code 4 for one that never joined, before anything is done with the others
 */
export async function findNodes(session: Session, words: readonly string[]): Promise<NodeInfo[]> {
  const names = new Set(words.flatMap((word) => word.split(',')).map((name) => name.trim()));
  names.delete('');
  if (names.size === 0) throw usageError('no node is named', 'omx nodes lists the nodes');
  const nodes: NodeInfo[] = [];
  for (const name of names) nodes.push(await session.nodes.find(name));
  return nodes;
}
