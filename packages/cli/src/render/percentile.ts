/** The nearest-rank percentile of sorted values; undefined of none. */
export function percentile(sorted: Float64Array, percent: number): number | undefined {
  if (sorted.length === 0) return undefined;
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[Math.min(rank, sorted.length) - 1];
}
