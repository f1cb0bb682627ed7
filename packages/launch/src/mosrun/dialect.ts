/**
 * The families that ship a program called `mosrun`. They share neither kernel interface nor option letters.
 * MOSIX 0.9/1.x speaks `openmosix-2.4` with its tree under `/proc/mosix`.
 */
export const dialects = ['openmosix-2.4', 'openmosix-2.6', 'mosix-2', 'mosix-3', 'mosix-4', 'none'] as const;
export type Dialect = (typeof dialects)[number];
/** A dialect that was found. */
export type LiveDialect = Exclude<Dialect, 'none'>;

export function isMosix(dialect: Dialect): dialect is 'mosix-2' | 'mosix-3' | 'mosix-4' {
  return dialect === 'mosix-2' || dialect === 'mosix-3' || dialect === 'mosix-4';
}

/** As people call it. */
export const dialectTitles: Readonly<Record<LiveDialect, string>> = {
  'openmosix-2.4': 'openMosix (2.4 kernel)',
  'openmosix-2.6': 'openMosix 2.6 / LinuxPMI',
  'mosix-2': 'MOSIX 2',
  'mosix-3': 'MOSIX 3',
  'mosix-4': 'MOSIX 4',
};
