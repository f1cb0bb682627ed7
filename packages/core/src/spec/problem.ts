import { ExitCode, OmxError, isOmxError } from '../errors.ts';

/**
 * Names the place of a key for a message: `--time` on the command line, `sweep.yaml:4:7  time` in a batch file.
 * The path starts with an option name and may go on into its value (`['env', 'HOME']`, `['values', 0, 2]`).
 */
export type Where = (path: readonly PathStep[]) => string;
export type PathStep = string | number;

/** The place of an option typed on the command line. */
export const whereOnCommandLine: Where = ([key]) => {
  if (key === 'command') return 'command';
  if (key === 'values') return ':::';
  return key === 'null' ? '-0' : `--${String(key)}`;
};

/** A refusal of a submit: `<where>: <what>`, code `SPEC_INVALID`, exit code 2. */
export function specError(where: string, what: string, hint?: string): OmxError {
  return new OmxError(`${where}: ${what}`, {
    code: 'SPEC_INVALID',
    exitCode: ExitCode.usage,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Runs a parser of one value; its usage errors become refusals that say where the value stands. */
export function within<T>(where: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!isOmxError(error) || error.code === 'SPEC_INVALID') throw error;
    throw specError(where, error.message, error.hint);
  }
}
