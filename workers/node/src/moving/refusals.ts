import { errorOf, isOmxError, OmxError } from '@omx/core';
import type { Refusal } from '@omx/queue';

/** A job stays where it is. @param what the job's or attempt's name, or where it was to go */
export function cannotMove(what: string, { refused, hint }: Refusal): OmxError {
  return new OmxError(`cannot move ${what}: ${refused}`, {
    code: 'CANNOT_MOVE',
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The same as an answer to whoever asked. */
export function refusalOf(error: unknown): Refusal {
  if (!isOmxError(error)) return { refused: errorOf(error).message };
  return { refused: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}
