/** How a job ended. Every job gets exactly one. */
export type Outcome =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: number }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'oom' }
  | { readonly kind: 'cancelled'; readonly by: CancelledBy }
  | { readonly kind: 'not-started'; readonly reason: NotStartedReason }
  | { readonly kind: 'lost' };

export type OutcomeKind = Outcome['kind'];

/** Who cancelled: a person, a batch this one waits for, or a rule of the batch (`--max-fails`). */
export const cancelledBy = ['user', 'dependency', 'policy'] as const;
export type CancelledBy = (typeof cancelledBy)[number];

/** Why a node could not start the program. */
export const notStartedReasons = [
  'no-such-program',
  'not-executable',
  'no-interpreter',
  'no-such-cwd',
  'no-such-stdin',
  'too-long',
  'launcher-unavailable',
  'other',
] as const;
export type NotStartedReason = (typeof notStartedReasons)[number];

/** The outcomes `--failed` and `rerun` mean: everything that should have succeeded and did not. */
export function isFailure(kind: OutcomeKind): boolean {
  return kind !== 'succeeded' && kind !== 'cancelled';
}
