/** Everything that knows Redis. BullMQ is apart, in `@omx/queue/delivery`, as commands do not need it. */
export * from './batch-store.ts';
export { itemsPerBlock } from './codec/items.ts';
export * from './codec/pack.ts';
export { blockJobs, type StoredJob } from './codec/record.ts';
export * from './connection.ts';
export * from './job-store.ts';
export * from './keys.ts';
export * from './node-requests.ts';
export * from './node-store.ts';
export * from './order.ts';
export * from './output-store.ts';
export * from './server-check.ts';
export type { Redis } from 'ioredis';
