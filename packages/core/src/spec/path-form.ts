import type { Bytes } from '../bytestring.ts';

/** What a placeholder takes of a value, written after its name: `{.}`, `{2/}`, `{file//}`; `''` is the value itself. */
export const pathForms = ['', '.', '/', '//', '/.'] as const;
export type PathForm = (typeof pathForms)[number];

/** The value, or the part of it that GNU parallel's replacement string of that name takes. */
export function applyPathForm(value: Bytes, form: PathForm): Bytes {
  switch (form) {
    case '':
      return value;
    case '.':
      return withoutExtension(value) as Bytes;
    case '/':
      return baseName(value) as Bytes;
    case '//':
      return folder(value) as Bytes;
    case '/.':
      return withoutExtension(baseName(value)) as Bytes;
  }
}

function withoutExtension(value: string): string {
  const dot = value.lastIndexOf('.');
  return dot > value.lastIndexOf('/') ? value.slice(0, dot) : value;
}

/** Empty after a final slash, unlike basename(1). */
function baseName(value: string): string {
  return value.slice(value.lastIndexOf('/') + 1);
}

/** As dirname(1), but an empty value stays empty. */
function folder(value: string): string {
  if (value === '') return '';
  const trimmed = value.replace(/\/+$/, '');
  if (trimmed === '') return '/';
  const slash = trimmed.lastIndexOf('/');
  if (slash < 0) return '.';
  return trimmed.slice(0, slash).replace(/\/+$/, '') || '/';
}
