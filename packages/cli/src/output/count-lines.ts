import { usageError } from '@omx/core';

/** The number of an option such as `--last 20`. */
export function parseLines(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw usageError(`${option}: '${text}' is not a number of lines`, 'write 0 or more, in digits');
  return Number(text);
}
