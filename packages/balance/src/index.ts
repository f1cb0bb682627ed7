/** How much work a node takes on, and which running jobs go elsewhere, as pure functions. */
export { mostShared, sharedPatienceMs, sharedSlots, type SharingNode } from './oversubscribe.ts';
export { crowdedPatienceMs, mayTakeCrowded, type OtherNodes, slotsNow } from './slots.ts';
export { decide, type DecideOptions, type Migration, type MigrationRound } from './migration/decide.ts';
export { emptyHistory, type MigrationHistory, withoutMove } from './migration/history.ts';
export { bestPlace, type Place } from './migration/place.ts';
export { defaultMigrationPolicy, type MigrationPolicy } from './migration/policy.ts';
export type { BalancedJob, BalancedNode, Snapshot } from './migration/snapshot.ts';
