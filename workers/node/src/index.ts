export { NodeWorker, type WorkerOptions } from './worker.ts';
