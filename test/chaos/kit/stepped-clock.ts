import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('stepped-clock.c', import.meta.url));

/** A clock of the day for one program, that can be set while it runs. */
export interface SteppedClock {
  /** For the program's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** So many seconds off the machine's own, from now on. */
  readonly set: (seconds: number) => void;
}

export function steppedClock(dir: string, name: string): SteppedClock {
  const library = `${dir}/${name}-clock.so`;
  const offset = `${dir}/${name}-clock`;
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source]);
  writeFileSync(offset, bytes(0));
  return {
    env: { LD_PRELOAD: library, CLOCK_OFFSET: offset },
    set: (seconds) => {
      // In place: the program has the file mapped.
      const file = openSync(offset, 'r+');
      writeSync(file, bytes(seconds), 0, 8, 0);
      closeSync(file);
    },
  };
}

function bytes(seconds: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64LE(BigInt(seconds));
  return buffer;
}
