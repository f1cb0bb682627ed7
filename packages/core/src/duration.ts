import { usageError } from './errors.ts';

const unitMs: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
};

/** A hundred years: longer than anything meant, and still exact in every sum. */
const maxMs = 100 * 365 * 86_400_000;

const forms = 'write it as 90s, 1h30m, 500ms, 2d, 01:30:00 (h:m:s), 5:00 (m:s) or a number of seconds';

/**
 * Milliseconds of a duration as a user writes it: `90s`, `1h30m`, `1h 30m`, `1.5h`, `500ms`, `2d`, `01:30:00`
 * (hours:minutes:seconds), `5:00` (minutes:seconds), or a plain number of seconds.
 * @throws usage error for anything else, for negative values and for more than a hundred years
 */
export function parseDuration(input: string | number): number {
  const text = String(input).trim();
  const ms = clockMs(text) ?? secondsMs(text) ?? unitsMs(text);
  if (ms === undefined) throw usageError(`'${input}' is not a duration`, forms);
  if (ms > maxMs) throw usageError(`'${input}' is longer than 100 years`, forms);
  return Math.round(ms);
}

/** Short text for people, rounded: `85ms`, `12.3s`, `4m02s`, `1h30m`, `2d03h`. */
export function formatDuration(ms: number): string {
  if (!(ms > 0)) return '0s';
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  if (ms < 59_950) return `${trimZero((ms / 1000).toFixed(1))}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return pair(seconds, 60, 'm', 's');
  const minutes = Math.round(ms / 60_000);
  if (minutes < 24 * 60) return pair(minutes, 60, 'h', 'm');
  return pair(Math.round(ms / 3_600_000), 24, 'd', 'h');
}

function clockMs(text: string): number | undefined {
  const match = /^(?:(\d{1,6}):([0-5]\d)|(\d{1,6})):([0-5]\d(?:\.\d+)?)$/.exec(text);
  if (match === null) return undefined;
  const [, hours = '0', minutes, lone = '0', seconds] = match;
  return (Number(hours) * 3600 + Number(minutes ?? lone) * 60 + Number(seconds)) * 1000;
}

function secondsMs(text: string): number | undefined {
  return /^(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) * 1000 : undefined;
}

/** Units must fall, each at most once: `30m1h` and `1m1m` are slips more often than wishes. */
function unitsMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(d|h|ms|m|s)\s*)+$/.test(text)) return undefined;
  let total = 0;
  let previous = Infinity;
  for (const [, number, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(d|h|ms|m|s)/g)) {
    const size = unitMs[unit] ?? Number.NaN;
    if (size >= previous) return undefined;
    previous = size;
    total += Number(number) * size;
  }
  return total;
}

function pair(value: number, base: number, major: string, minor: string): string {
  const rest = value % base;
  const head = `${Math.floor(value / base)}${major}`;
  return rest === 0 ? head : `${head}${String(rest).padStart(2, '0')}${minor}`;
}

function trimZero(decimal: string): string {
  return decimal.endsWith('.0') ? decimal.slice(0, -2) : decimal;
}
