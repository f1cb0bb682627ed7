import { errorOf, ExitCode, isOmxError } from '@omx/core';
import { CommanderError } from 'commander';

import type { Io } from './io.ts';
import { buildProgram } from './program.ts';

/** Runs one command line. Never throws; the exit codes are those of the command line's contract. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  // A reader that has seen enough (`omx logs b1 | head`) is no error.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {});
  const result: { code: number } = { code: ExitCode.ok };
  try {
    const program = buildProgram(io, (code) => {
      result.code = code;
    });
    await program.parseAsync(args.length === 0 ? ['status'] : [...args], { from: 'user' });
    return result.code;
  } catch (thrown) {
    return report(thrown, io, args);
  }
}

function report(thrown: unknown, io: Io, args: readonly string[]): number {
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return ExitCode.ok;
    const message = thrown.message.replace(/^error: /, '');
    const [what = '', suggestion] = message.split('\n');
    const hint = suggestion?.replace(/^\(|\)$/g, '') ?? 'omx --help lists the commands, omx COMMAND --help its options';
    return print(io, wantsJson(args), { code: 'USAGE', message: what, hint }, ExitCode.usage);
  }
  const error = errorOf(thrown);
  if (io.env['OMX_DEBUG'] === '1') io.stderr.write(`${error.stack ?? error.message}\n`);
  if (isOmxError(thrown)) {
    const { code, message, hint } = thrown;
    return print(io, wantsJson(args), { code, message, ...(hint === undefined ? {} : { hint }) }, thrown.exitCode);
  }
  const hint = 'this is a fault of omx; OMX_DEBUG=1 shows where';
  return print(io, wantsJson(args), { code: 'INTERNAL', message: error.message, hint }, isConnectionError(error) ? ExitCode.unreachable : ExitCode.usage);
}

function print(io: Io, json: boolean, error: { code: string; message: string; hint?: string }, exitCode: number): number {
  if (json) io.stderr.write(`${JSON.stringify({ error })}\n`);
  else io.stderr.write(`error: ${error.message}\n${error.hint === undefined ? '' : `hint:  ${error.hint}\n`}`);
  return exitCode;
}

/** Before `--`, as what follows belongs to the job. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).includes('--json');
}

function isConnectionError(error: Error): boolean {
  return /ECONNREFUSED|ECONNRESET|Connection is closed|ENOENT.*\.sock/.test(error.message);
}
