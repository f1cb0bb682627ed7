import { Command, CommanderError } from 'commander';

import type { Io } from './io.ts';
import { addActing } from './program/acting.ts';
import { addOperating } from './program/operating.ts';
import { addSubmitting } from './program/submitting.ts';
import { addWatching } from './program/watching.ts';
import { version } from './installation.ts';

/** How a command is run: its module is loaded only when it is asked for. */
export type Run = (io: Io) => Promise<number>;

export interface Registry {
  readonly program: Command;
  /** Makes the action of a command: runs it and keeps its exit code. */
  readonly run: (work: Run) => Promise<void>;
}

/** The command line as commander knows it; help, completion and the reference are made from it. */
export function buildProgram(io: Io, onExitCode: (code: number) => void): Command {
  const program = new Command('omx');
  program
    .description('Makes a handful of Linux machines work as one: submit jobs, watch them, run them again.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(120, io.stdout.columns ?? 100),
    })
    .exitOverride((error: CommanderError) => {
      throw error;
    });
  const registry: Registry = {
    program,
    run: async (work) => {
      onExitCode(await work(io));
    },
  };
  addSubmitting(registry);
  addWatching(registry);
  addActing(registry);
  addOperating(registry);
  for (const command of program.commands) command.copyInheritedSettings(program);
  program.addHelpText(
    'after',
    '\nSelectors: b7 (or 7), b7.3, b7.1-9,12, last, all.  Exit codes: 0 well, 1 a job failed, 2 usage, 3 no queue, 4 not found.',
  );
  return program;
}
