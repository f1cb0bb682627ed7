import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

export interface UntilOptions<T> {
  /** @defaultValue 10 s */
  readonly timeoutMs?: number;
  /** What the value must be. @defaultValue anything true */
  readonly is?: (value: T) => boolean;
  /** True, or better a reason, when more waiting is in vain. It sees the last value. */
  readonly failIf?: (value: T | undefined) => string | boolean | undefined;
}

/**
 * Waits until the condition holds and returns its value. Gives up when it is late or when `failIf` says so, and shows
 * the last value then. What the condition throws counts as not yet.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: UntilOptions<T> = {},
): Promise<NonNullable<T>> {
  const { timeoutMs = 10_000, is = Boolean, failIf } = options;
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 1.5, 50)) {
    let value: T | undefined;
    let last: string;
    try {
      value = await condition();
      if (is(value)) return value as NonNullable<T>;
      last = inspect(value);
    } catch (error) {
      last = `an error: ${inspect(error)}`;
    }
    const reason = failIf?.(value) || (performance.now() > deadline && `${timeoutMs} ms are over`);
    if (reason) {
      throw new Error(
        `waited in vain: ${reason === true ? 'failIf' : reason}\nlast seen: ${last}\nwaited for: ${String(condition)}`,
      );
    }
    await delay(pauseMs);
  }
}
