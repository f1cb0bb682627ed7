import { join } from 'node:path';
import type { OmxError } from '@omx/core';
import { execa } from 'execa';
import type { Clocks } from './commands.ts';
import { criuEnv } from './criu-env.ts';
import { explainCriu } from './explain.ts';
import { Gate } from './gate.ts';
import { endWhole, ownGroup } from './own-group.ts';
import { firstWords, tokenName } from './stream.ts';

interface DumpOptions {
  /** Of `dumpArgv`. */
  readonly argv: readonly string[];
  /** Folder of criu's log. */
  readonly log: string;
  /** For a connection to a page server. */
  readonly token?: string;
  /** For writing the image. */
  readonly timeoutMs: number;
  /** After that long without a decision the processes go on by themselves. */
  readonly holdMs: number;
  /** The error for a dump that failed for this reason; `isHarmed`: criu was killed, which the processes may not survive. */
  readonly refusal: (reason: string, isHarmed: boolean) => OmxError;
}

/** criu at its gate: the image is written and the processes stand still. Either `pass` or `release` must follow. */
export interface HeldDump {
  readonly clocks: Clocks;
  /** Nobody has decided, and it has not let go by itself, as far as is known by now. */
  readonly isHeld: boolean;
  /** criu does with the processes what it was told; false where it had let them go on before. Asked once. */
  pass(): Promise<boolean>;
  /** The processes go on as if nothing had happened; does nothing after `pass`. Resolves when criu has ended. */
  release(): Promise<void>;
  /** Fulfilled when criu has ended. */
  readonly ended: Promise<unknown>;
}

/** Starts criu and waits until it is at the gate. @throws what `refusal` makes of the reason; everything goes on then */
export async function dumpToGate(options: DumpOptions): Promise<HeldDump> {
  const { argv, log, token, timeoutMs, holdMs, refusal } = options;
  const [file = '', ...args] = argv;
  const gate = await Gate.open();
  // `enter` takes criu with it when it dies, and criu without its gate lets the job go on.
  const dump = execa(file, args, {
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    ...ownGroup,
    env: { ...criuEnv(), ...gate.env(holdMs), ...(token === undefined ? {} : { [tokenName]: token }) },
  });
  endWhole(dump);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  const timeout = new Promise<undefined>((resolve) => late.signal.addEventListener('abort', () => resolve(undefined)));
  const clocks = await Promise.race([gate.reached, dump.then(() => undefined), timeout]);
  clearTimeout(timer);
  if (clocks === undefined) {
    const isLate = late.signal.aborted;
    gate.close();
    dump.kill('SIGKILL');
    const { stderr, signal } = await dump;
    const lines = stderr.split('\n').filter((line) => line.startsWith('omx-capsule: '));
    const ours = firstWords(lines.join('\n'), '');
    if (isLate) throw refusal(`its image could not be written within ${timeoutMs / 1000} s`, true);
    if (signal !== undefined) throw refusal(`criu died of ${signal} while it froze the job`, true);
    throw refusal(ours === '' ? explainCriu(join(log, 'dump.log')) : ours, false);
  }
  return {
    clocks,
    get isHeld() {
      return gate.isHeld;
    },
    ended: dump,
    pass: async () => {
      const passed = await gate.pass();
      gate.close();
      return passed;
    },
    release: async () => {
      gate.close();
      await dump;
    },
  };
}
