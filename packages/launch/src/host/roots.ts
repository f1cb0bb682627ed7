/** Where the readers of this package look; tests give them fixture trees. */
export interface Roots {
  readonly proc: string;
  readonly etc: string;
  /** MOSIX's cluster-wide file system, where there is one. */
  readonly mfs: string;
  /** For cgroup limits: `<sys>/fs/cgroup`. */
  readonly sys: string;
}

export const machineRoots: Roots = { proc: '/proc', etc: '/etc', mfs: '/mfs', sys: '/sys' };
