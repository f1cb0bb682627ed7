import { readFileSync } from 'node:fs';

/**
 * Flags that unshare(1) needs with `--mount`. By itself it makes the root's mounts private, and cannot where the root is no mount
 * of its own, as in a plain chroot.
 */
export const ownMounts: readonly string[] = rootIsMount() ? [] : ['--propagation', 'unchanged'];

/** Source: proc(5) `/proc/pid/mountinfo`, the fifth field. */
function rootIsMount(): boolean {
  return readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .some((line) => line.split(' ')[4] === '/');
}
