import { ExitCode } from '@omx/core';

import type { Io } from '../io.ts';

/** Why a command that prints output stops early: Ctrl-C, or its reader has seen enough (`| head`). */
export interface StopSignal {
  readonly signal: AbortSignal;
  /** The exit code that follows from the stop; undefined while there is none. */
  exitCode(): number | undefined;
  release(): void;
}

export function stopSignal(io: Io): StopSignal {
  const controller = new AbortController();
  let code: number | undefined;
  const stop = (reason: number) => (): void => {
    code ??= reason;
    controller.abort();
  };
  const interrupted = stop(ExitCode.interrupted);
  const release = io.onInterrupt(() => {
    // A second Ctrl-C ends the process, even while it waits for a reader that reads no more.
    release();
    interrupted();
  });
  const onError = stop(ExitCode.ok);
  io.stdout.once('error', onError);
  return {
    signal: controller.signal,
    exitCode: () => code,
    release: () => {
      release();
      io.stdout.off('error', onError);
    },
  };
}
