import type { BatchSpec, NodeInfo } from '@omx/core';

/** Nodes that the job might run on, were they not in quarantine. */
export function quarantinedReasons(spec: BatchSpec, nodes: readonly NodeInfo[]): string[] {
  return nodes.flatMap(({ name, state, reason, labels }) => {
    const fits =
      (spec.nodes.length === 0 || spec.nodes.includes(name)) &&
      Object.entries(spec.labels).every(([key, value]) => labels[key] === value);
    if (state !== 'quarantined' || !fits) return [];
    return [`${name} is in quarantine: ${reason}; once it is mended, omx undrain ${name} lets it take jobs`];
  });
}
