import { parseDuration, usageError } from '@omx/core';

/**
 * The time a user names: `10m` ago, `now`, or `2026-11-22T09:30`, local where no zone is given.
 * @returns milliseconds since the epoch
 */
export function parseSince(text: string, now: number): number {
  if (text === 'now') return now;
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    // A date alone would be taken for one in UTC.
    const at = Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'));
    if (!Number.isNaN(at)) return at;
  } else {
    try {
      return now - parseDuration(text);
    } catch {
      // Said below, with all forms there are.
    }
  }
  throw usageError(`--since: '${text}' is not a time`, 'write 10m, 2026-11-22T09:30, 2026-11-22T09:30:00Z or now');
}
