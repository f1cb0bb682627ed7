import { errorOf } from '@omx/core';

/** An error is stored with the job: long enough to understand it, short enough for a million of them. */
const maxLength = 500;

/** What was thrown, in words. Takes anything, even what cannot be made a string. */
export function faultMessage(thrown: unknown): string {
  try {
    const { name, message } = errorOf(thrown);
    const text = message === '' ? name : message;
    return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  } catch {
    return 'the parser threw a value without a message';
  }
}
