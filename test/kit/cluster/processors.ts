import { readFileSync } from 'node:fs';

/** The numbers of the processors that this process may use. Source: proc(5), `Cpus_allowed_list` in `/proc/pid/status`. */
export function processors(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}
