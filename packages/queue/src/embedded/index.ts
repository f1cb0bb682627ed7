/** The embedded default: a redis-server of the user's own, on a unix socket, and the daemons beside it. */
export * from './binary.ts';
export * from './daemon.ts';
export * from './home.ts';
export * from './lock.ts';
export * from './server.ts';
