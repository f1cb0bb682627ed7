/**
 * The words of omx, in types and pure functions: batch, job, attempt, node, outcome, usage, spec. Nothing here does
 * input or output.
 *
 * batch: what one submit made · job: one process of it · attempt: one execution of a job · node: a machine running a
 * worker · slot: room for one job there · chunk: a range of a batch's jobs on its way to a worker · ordinal: a job's
 * place 0…n-1 in its batch · index: the number users see.
 */
export * from './batch.ts';
export * from './bytes.ts';
export * from './bytestring.ts';
export * from './clock.ts';
export * from './duration.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './job.ts';
export * from './node.ts';
export * from './ordinals.ts';
export * from './outcome.ts';
export * from './spec/index.ts';
export * from './transition.ts';
export * from './usage.ts';
