import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { OmxError } from '@omx/core';
import { capsuleBinary } from '../capsule-binary.ts';
import { folderFiles } from '../launcher.ts';

export interface HoldOptions {
  /** The stopped original, by pid and start. */
  readonly pid: number;
  readonly startTicks: number;
  /** Where the output of its copy will lie, as `out` and `err`. */
  readonly results: string;
  /** The job's folder. */
  readonly folder: string;
  /** Signals on their way to it that its copy has already: bit 0 is signal 1. */
  readonly known: bigint;
  /** Signals that processes have sent to it meanwhile; the same again only after it was taken back. */
  readonly onSent: (signals: readonly number[]) => void;
}

/** What became of a deputy. `slipped`: it had gone on before it was held. `released`: this process, or its holder, let go of it, and it stays stopped. */
export type DeputyFate = 'gone' | 'slipped' | 'ended' | 'going' | 'released';

/** Another holder, of a worker that has just died, is about to let go. */
const againMs = 5000;
const pauseMs = 50;

/**
 * The stopped original of a child whose copy runs elsewhere, held so that nothing but this lets it go on
 * (`native/capsule/deputy.c`).
 */
export class Deputy {
  /** Fulfilled once. */
  readonly fate: Promise<DeputyFate>;
  readonly #holder: Holder;

  private constructor(holder: Holder, fate: Promise<DeputyFate>) {
    this.#holder = holder;
    this.fate = fate;
  }

  /** Undefined where there is no such process any more. @throws SLIPPED where it had gone on; NOT_HELD with the reason */
  static async hold(options: HoldOptions): Promise<Deputy | undefined> {
    for (const deadline = performance.now() + againMs; ; await delay(pauseMs)) {
      const found = await tryToHold(options);
      if (found === 'gone') return undefined;
      if (found === 'slipped') throw new OmxError(`process ${options.pid} had already gone on`, { code: 'SLIPPED' });
      if (typeof found !== 'string') return new Deputy(found.holder, found.fate);
      if (performance.now() > deadline) {
        throw new OmxError(`process ${options.pid} cannot be held: ${found}`, { code: 'NOT_HELD' });
      }
    }
  }

  /** Adds the output of the copy to the job's, and ends the original in the same way. */
  end({ exitCode, signal }: { readonly exitCode?: number; readonly signal?: number }): void {
    this.#holder.stdin.write(signal === undefined ? `exit ${exitCode ?? 0}\n` : `signal ${signal}\n`);
  }

  /** The original goes on, as there is no copy any more. */
  letGo(): void {
    this.#holder.stdin.write('go\n');
  }

  /** Holds it no longer; it stays stopped. */
  release(): void {
    this.#holder.stdin.end();
  }
}

type Holder = ChildProcessByStdio<Writable, Readable, Readable>;

/** `gone`, `slipped`, or why it could not be held. */
async function tryToHold(
  options: HoldOptions,
): Promise<{ readonly holder: Holder; readonly fate: Promise<DeputyFate> } | string> {
  const { pid, startTicks, results, folder, onSent } = options;
  let { known } = options;
  const files = [folderFiles.out, folderFiles.err].flatMap((name) => [join(results, name), join(folder, name)]);
  const holder = spawn(capsuleBinary(), ['deputy', String(pid), String(startTicks), ...files], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let [words, said] = ['', ''];
  let fate: DeputyFate | undefined;
  holder.stdin.on('error', () => undefined);
  holder.stderr.on('data', (chunk: Buffer) => (said += String(chunk)));
  return new Promise((resolve) => {
    const over = new Promise<DeputyFate>((tell) => {
      const end = (more: string): void => {
        tell(fate ?? 'released');
        resolve(fate ?? (said.trim() || more));
      };
      holder.once('close', () => end('it does not say why')).once('error', (error) => end(error.message));
    });
    holder.stdout.on('data', (chunk: Buffer) => {
      words += String(chunk);
      const lines = words.split('\n');
      words = lines.pop() ?? '';
      for (const line of lines) {
        if (line === 'held') resolve({ holder, fate: over });
        else if (line === 'gone' || line === 'slipped' || line === 'ended' || line === 'going') fate = line;
        else if (line.startsWith('pending ')) {
          const now = BigInt(`0x${line.slice('pending '.length)}`);
          const fresh = signalsIn(now & ~known);
          known = now;
          if (fresh.length > 0) onSent(fresh);
        }
      }
    });
  });
}

/** Bit 0 is signal 1. */
function signalsIn(mask: bigint): readonly number[] {
  return Array.from({ length: 64 }, (_, at) => at + 1).filter((number) => ((mask >> BigInt(number - 1)) & 1n) === 1n);
}
