import { errorOf, ExitCode, isOmxError } from '@omx/core';
import { type Command, CommanderError } from 'commander';

import type { Io } from './io.ts';
import { commandFirst } from './leading-options.ts';
import { buildProgram } from './program.ts';
import { oneLine } from './render/table.ts';

/** Runs one command line. Never throws; the exit codes are those of the command line's contract. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  // A reader that has seen enough (`omx logs b1 | head`) is no error.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {});
  const result: { code: number } = { code: ExitCode.ok };
  const program = buildProgram(io, (code) => {
    result.code = code;
  });
  try {
    await program.parseAsync(commandFirst(args), { from: 'user' });
    return result.code;
  } catch (thrown) {
    return report(thrown, io, wantsJson(program, args, thrown));
  }
}

function report(thrown: unknown, io: Io, json: boolean): number {
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return ExitCode.ok;
    const message = thrown.message.replace(/^error: /, '');
    const [what = '', suggestion] = message.split('\n');
    // Nobody who mistyped a word should be led to the one that stops everything.
    const guess =
      suggestion === undefined || /\bdown\b/.test(suggestion) ? undefined : suggestion.replace(/^\(|\)$/g, '');
    const hint = guess ?? 'omx --help lists the commands, omx COMMAND --help its options';
    return print(io, json, { code: 'USAGE', message: what, hint }, ExitCode.usage);
  }
  const error = errorOf(thrown);
  if (io.env['OMX_DEBUG'] === '1') io.stderr.write(`${error.stack ?? error.message}\n`);
  if (isOmxError(thrown)) {
    const { code, message, hint } = thrown;
    return print(io, json, { code, message, ...(hint === undefined ? {} : { hint }) }, thrown.exitCode);
  }
  if (/^NOPERM\b/.test(error.message)) {
    const message = `the queue’s user lacks a right: ${error.message}`;
    return print(
      io,
      json,
      { code: 'REDIS_RIGHTS', message, hint: 'omx doctor names all that it lacks' },
      ExitCode.unreachable,
    );
  }
  // The server answers, and says that it cannot (https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors).
  if (/^(MISCONF|OOM|READONLY|LOADING|MASTERDOWN|NOREPLICAS)\b/.test(error.message)) {
    const hint = 'omx doctor looks at the server; often its disk or its memory is full';
    return print(
      io,
      json,
      { code: 'REDIS_REFUSES', message: `the queue refuses: ${error.message}`, hint },
      ExitCode.unreachable,
    );
  }
  const hint = 'this is a fault of omx; OMX_DEBUG=1 shows where';
  return print(
    io,
    json,
    { code: 'INTERNAL', message: error.message, hint },
    isConnectionError(error) ? ExitCode.unreachable : ExitCode.usage,
  );
}

function print(
  io: Io,
  json: boolean,
  error: { code: string; message: string; hint?: string },
  exitCode: number,
): number {
  if (json) io.stderr.write(`${JSON.stringify({ error })}\n`);
  else
    io.stderr.write(
      `error: ${oneLine(error.message)}\n${error.hint === undefined ? '' : `hint:  ${oneLine(error.hint)}\n`}`,
    );
  return exitCode;
}

/** By what the command took for its own, as what follows in a submit belongs to the job; where it could not be read, by its words. */
function wantsJson(program: Command, args: readonly string[], thrown: unknown): boolean {
  const command = program.commands.find((known) => known.name() === args[0]);
  if (command !== undefined && !(thrown instanceof CommanderError)) return command.opts()['json'] === true;
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).includes('--json');
}

function isConnectionError(error: Error): boolean {
  return /ECONNREFUSED|ECONNRESET|Connection is closed|ENOENT.*\.sock/.test(error.message);
}
