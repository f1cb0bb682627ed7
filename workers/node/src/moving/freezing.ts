import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

import { isOmxError } from '@omx/core';
import type { EndedEvent } from '@omx/launch';

import type { Attempt } from '../attempt.ts';
import type { Executor } from '../executor.ts';

const { SIGTRAP, SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGSYS, SIGPIPE } = constants.signals;
/** What a process dies of whose code or registers are not its own, or while it answers to a criu that is no more. */
const faults: ReadonlySet<number | undefined> = new Set([SIGTRAP, SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGSYS, SIGPIPE]);
/** A process that criu has left in the middle of something dies of it as soon as it runs. */
const aftermathMs = 500;

/**
 * Freezes a job by `freeze`. criu changes the code of its processes for some milliseconds; where criu ends in these (it is
 * killed for want of memory, say, or somebody stops the job) they die of a signal that is not their own: the attempt is lost
 * then and begins again, uncharged.
 */
export async function freezing<T>(
  attempt: Attempt,
  executor: Pick<Executor, 'hearEnd' | 'lose'>,
  freeze: () => Promise<T>,
): Promise<T> {
  let fault: EndedEvent | undefined;
  let tell = (): void => {};
  const died = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const hears: Attempt['hears'] = (event) => {
    if (event.type !== 'ended') return;
    if (event.lost === true || event.reason !== 'none' || !faults.has(event.signal)) {
      executor.hearEnd(attempt, event);
      return;
    }
    fault = event;
    tell();
  };
  attempt.hears = hears;
  let isHarmed = false;
  try {
    return await freeze();
  } catch (error) {
    isHarmed = isOmxError(error) && error.code === 'CRIU_DIED';
    if (isHarmed) await Promise.race([died, delay(aftermathMs, undefined, { ref: false })]);
    throw error;
  } finally {
    if (attempt.hears === hears) delete attempt.hears;
    if (fault !== undefined && isHarmed) executor.lose(attempt);
    else if (fault !== undefined) executor.hearEnd(attempt, fault);
  }
}
