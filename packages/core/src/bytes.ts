import { usageError } from './errors.ts';

const prefixes = ['', 'k', 'm', 'g', 't', 'p'];
const forms = 'write it as 512M, 2GiB, 2G (= 2GiB), 2GB (= 2,000,000,000) or a number of bytes';

/**
 * Bytes of a size as a user writes it. `GiB`, `Gi` and a lone `G` are 1024³, as queue users expect of memory sizes;
 * `GB` is 1000³; the same for k, M, T and P, in either case. Without a unit the number is bytes. Fractions are rounded.
 * @throws usage error for anything else and for sizes beyond 2^53
 */
export function parseBytes(input: string | number): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgtp]?)(i?b?))$/i.exec(String(input).trim());
  const [, number, prefix = '', suffix = ''] = match ?? [];
  const lower = suffix.toLowerCase();
  if (number === undefined || (prefix === '' && lower.startsWith('i'))) {
    throw usageError(`'${input}' is not a size`, forms);
  }
  const base = lower === 'b' ? 1000 : 1024;
  const bytes = Math.round(Number(number) * base ** prefixes.indexOf(prefix.toLowerCase()));
  if (!Number.isSafeInteger(bytes)) throw usageError(`'${input}' is too large a size`, forms);
  return bytes;
}

/** Short text for people in powers of 1024, rounded: `512B`, `1.5KiB`, `20MiB`, `2GiB`. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let power = 0;
  // 1023.5 would round to 1024 of the smaller unit.
  while (value >= 1023.5 && power < prefixes.length - 1) {
    value /= 1024;
    power += 1;
  }
  const number = power > 0 && value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : String(Math.round(value));
  return power === 0 ? `${number}B` : `${number}${(prefixes[power] ?? '').toUpperCase()}iB`;
}
