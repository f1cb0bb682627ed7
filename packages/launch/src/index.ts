/** How a process is started, watched, ended and measured on this machine. */
export type { Launcher, LaunchPlan, LaunchRequest, Placement, Whereabouts } from './launcher.ts';
export { chooseLauncher, detectLaunchers, type LauncherFacts } from './detect.ts';
export { readCpuFacts } from './host/cpu.ts';
export { readHostname, readLoadAverage, readOpenFileLimit } from './host/machine.ts';
export { readMemoryFacts } from './host/memory.ts';
export { readProcessTable, treeRss } from './host/process-tree.ts';
export { mosrunFailure } from './mosrun/classify.ts';
export * from './shepherd/index.ts';
