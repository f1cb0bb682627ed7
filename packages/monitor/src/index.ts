/** The full screens of omx: the load of all nodes, and the jobs that run on them. */
export { noNodes } from './mon/lines.ts';
export { runMon } from './mon/run.ts';
export { monText } from './mon/snapshot.ts';
export type { TopRow, TopSnapshot } from './top/row.ts';
export { runTop, type TopActions } from './top/run.ts';
export { TopSampler, type TopSources } from './top/sampler.ts';
export { topText } from './top/snapshot.ts';
export { glyphsFor, type Terminal } from './terminal/terminal.ts';
