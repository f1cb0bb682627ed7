/** What a job's whole process tree used, from the kernel's own accounting (`wait4(2)`, `getrusage(2)`). */
export interface Usage {
  /** CPU time in user mode, microseconds. */
  readonly userUs: number;
  /** CPU time in the kernel, microseconds. */
  readonly sysUs: number;
  /** The largest resident set of any one process of the tree, KiB. */
  readonly maxRssKib: number;
}

export const noUsage: Usage = { userUs: 0, sysUs: 0, maxRssKib: 0 };

/** Usage of two stays of the same job, or of two jobs: times add up, the larger resident set counts. */
export function addUsage(a: Usage, b: Usage): Usage {
  return { userUs: a.userUs + b.userUs, sysUs: a.sysUs + b.sysUs, maxRssKib: Math.max(a.maxRssKib, b.maxRssKib) };
}
