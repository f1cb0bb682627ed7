/** ISO 8601 UTC, as in all JSON; null where there is no time. */
export function isoTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** Seconds as in all JSON, to the microsecond. */
export function secondsOfMs(ms: number): number {
  return Math.round(ms * 1000) / 1e6;
}

export function secondsOfUs(us: number): number {
  return Math.round(us) / 1e6;
}

/** Local time for people: `2026-08-08 14:03:11`; today's without the day. */
export function localTime(ms: number, now: number): string {
  const time = new Date(ms);
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(':');
  const day = dayOf(time);
  return day === dayOf(new Date(now)) ? clock : `${day} ${clock}`;
}

/** Short seconds for a table: `0.004`, `12.35`, `205.0`; nothing where unknown. */
export function seconds(value: number | null): string {
  if (value === null) return '';
  if (value < 10) return value.toFixed(3);
  return value < 100 ? value.toFixed(2) : value.toFixed(1);
}

/** As bash's `time` prints it: `3m25.045s`. */
export function bashTime(value: number): string {
  const milliseconds = Math.round(value * 1000);
  const minutes = Math.floor(milliseconds / 60_000);
  return `${minutes}m${((milliseconds - minutes * 60_000) / 1000).toFixed(3)}s`;
}

/** The three lines with which `omx time` and `omx run` end. */
export function classicTimes(times: { readonly real: number; readonly user: number; readonly sys: number }): string[] {
  return [`real\t${bashTime(times.real)}`, `user\t${bashTime(times.user)}`, `sys\t${bashTime(times.sys)}`];
}

function dayOf(time: Date): string {
  return `${time.getFullYear()}-${twoDigits(time.getMonth() + 1)}-${twoDigits(time.getDate())}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
