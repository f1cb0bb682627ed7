/** How much work a node takes on, as pure functions. */
export { crowdedPatienceMs, mayTakeCrowded, type OtherNodes, slotsNow } from './slots.ts';
