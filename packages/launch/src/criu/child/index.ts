export { readChildren, type Child } from './children.ts';
export { Deputy, type DeputyFate } from './deputy.ts';
export { childrenObstacle, freezeChild, type FrozenChild } from './freeze-child.ts';
export { inspectChild } from './inspect-child.ts';
export { processStanding } from './standing.ts';
export { thawChild, type ChildCopy, type CopyEnd } from './thaw-child.ts';
