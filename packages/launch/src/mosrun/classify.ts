/** Longer than any refusal takes, shorter than a job whose stderr happens to begin with the same word is likely to be. */
const shortMs = 1000;

export interface MosrunEnd {
  /** Undefined: ended by a signal. */
  readonly exitCode?: number;
  readonly durationMs: number;
  /** The beginning of the job's stderr. */
  readonly stderr: string;
}

/**
 * Whether mosrun failed to start the program at all; undefined: the status is the program's own. The codes mosrun
 * fails with are documented nowhere, so this goes by what it says and how soon; the raw status stays on record.
 */
export function mosrunFailure(
  end: MosrunEnd,
): { readonly reason: 'launcher-unavailable'; readonly message: string } | undefined {
  if (end.exitCode === undefined || end.exitCode === 0 || end.durationMs >= shortMs) return undefined;
  const line = end.stderr.split('\n', 1)[0]?.trim() ?? '';
  // With -w, MOSIX reports calls of a program that did start in lines of the same look.
  if (!/^(mosrun|MOSRUN):/.test(line) || /not supported under MOSIX/i.test(line)) return undefined;
  return { reason: 'launcher-unavailable', message: line };
}
