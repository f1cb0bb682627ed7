import { kill } from 'node:process';

/** Of a spawned process: one that leads a group of its own, which `endWhole` needs. */
export const ownGroup = { detached: true } as const;

/**
 * When the leader of this group ends, whatever is left of the group is killed. criu tries out the kernel with children that stand still;
 * where it is killed meanwhile such a child would stay for ever, with criu's pipes open, and whoever waits for these as well.
 */
export function endWhole(leader: {
  readonly pid?: number | undefined;
  once(event: 'exit', listener: () => void): unknown;
}): void {
  leader.once('exit', () => {
    try {
      if (leader.pid !== undefined) kill(-leader.pid, 'SIGKILL');
    } catch {
      // Nothing is left of it.
    }
  });
}
