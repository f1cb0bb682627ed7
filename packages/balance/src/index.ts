/** How much work a node takes on, and which running jobs go elsewhere, as pure functions. */
export { crowdedPatienceMs, mayTakeCrowded, type OtherNodes, slotsNow } from './slots.ts';
export { decide, type DecideOptions, type Migration, type MigrationRound } from './migration/decide.ts';
export { emptyHistory, type MigrationHistory } from './migration/history.ts';
export { defaultMigrationPolicy, type MigrationPolicy } from './migration/policy.ts';
export type { BalancedJob, BalancedNode, Snapshot } from './migration/snapshot.ts';
