export { NodeWorker } from './worker.ts';
export type { WorkerOptions } from './worker-options.ts';
