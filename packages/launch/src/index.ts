/** How a process is started, watched, ended and measured on this machine. */
export type { Launcher, LaunchPlan, LaunchRequest, Placement, Whereabouts } from './launcher.ts';
export * from './criu/index.ts';
export { chooseLauncher, detectLaunchers, type LauncherFacts, type LauncherWish } from './detect.ts';
export { readCpuFacts } from './host/cpu.ts';
export { type CriuProgram, type CriuSearch, findCriu, oldestCriu } from './host/criu-program.ts';
export { DemandMeter } from './host/demand-meter.ts';
export { type Load, LoadMeter, type LoadMeterOptions } from './host/load-meter.ts';
export { readBootTimeMs, readHostname, readLoadAverage, readOpenFileLimit, readPlace } from './host/machine.ts';
export { readMemoryFacts } from './host/memory.ts';
export { type RunProgram, runAtLength, runProgram } from './host/program.ts';
export { type ProcessTable, readProcessTable, treeRss } from './host/process-tree.ts';
export type { ProcessStat } from './host/process.ts';
export { measureSpeed } from './host/speed.ts';
export { mosrunFailure } from './mosrun/classify.ts';
export { ownAddressProblem, ownNode } from './mosrun/map.ts';
export { findMap, type MapFile, ownAddresses, readMap, type OwnAddresses } from './mosrun/map-file.ts';
export * from './shepherd/index.ts';
