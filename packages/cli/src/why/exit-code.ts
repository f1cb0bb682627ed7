import { signalName } from '../render/signals.ts';

/** What an exit code usually means; undefined where only the program knows. */
export function exitCodeMeaning(code: number): string | undefined {
  const known = meanings[code];
  if (known !== undefined) return known;
  if (code > 128 && code <= 128 + 64)
    return `${code} is 128+${code - 128}: a shell saw its command end by ${signalName(code - 128)}${code === 137 ? `; ${killedHint}` : ''}`;
  return undefined;
}

export const killedHint = 'often the kernel, short of memory (dmesg shows it)';

const meanings: Readonly<Record<number, string>> = {
  1: '1 is a program’s general “failed”; its stderr says more',
  2: '2 is often bad usage: wrong options or arguments',
  124: '124 is what timeout(1) returns when the time is over',
  126: '126: a shell found the command and could not execute it (no x permission, or no program)',
  127: '127: a shell or env found no such command; look at the name and at PATH',
  255: '255 is what ssh returns when the connection fails, and exit(-1) in a program',
};

/** What a signal usually means, and what to do; undefined for the rare ones. */
export function signalMeaning(name: string): string | undefined {
  return signals[name];
}

const signals: Readonly<Record<string, string>> = {
  SIGSEGV: 'it touched memory it does not own: a bug of the program, or a stack that is too small (ulimit -s)',
  SIGBUS: 'a file it had mapped became shorter, or the disk behind it is full',
  SIGABRT: 'it gave up by itself: a failed assertion or an exception nobody caught; its stderr says more',
  SIGFPE: 'an arithmetic fault, mostly an integer division by zero',
  SIGILL: 'an instruction this CPU does not know: was it built for another machine?',
  SIGKILL: `somebody outside omx killed it: ${killedHint}`,
  SIGTERM: 'somebody outside omx asked it to end',
  SIGINT: 'somebody outside omx interrupted it',
  SIGHUP: 'somebody outside omx sent SIGHUP',
  SIGPIPE: 'it wrote into a pipe nobody read any more',
  SIGXCPU: 'it ran into a limit of CPU time (ulimit -t)',
  SIGXFSZ: 'it ran into a limit of file size (ulimit -f)',
  SIGSYS: 'it made a system call that is not allowed',
};
