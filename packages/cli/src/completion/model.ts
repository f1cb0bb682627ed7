import { launcherChoices, nodeRoles, orders } from '@omx/core';
import type { Command, Option } from 'commander';

/** What the completion scripts are made of: the commands and options of the program itself. */
export interface CompletionModel {
  readonly commands: readonly CompletedCommand[];
}

export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** Words that may stand where no option does; none where files do. */
  readonly words: readonly string[];
  /** What follows the options is a program and its arguments. */
  readonly runsProgram: boolean;
}

export interface CompletedOption {
  /** `-f`, without the dash. */
  readonly short: string | undefined;
  /** `--file`, without the dashes. */
  readonly long: string;
  readonly description: string;
  /** Undefined: the option takes no value. */
  readonly value: 'any' | 'file' | 'folder' | readonly string[] | undefined;
}

const states = [
  'held',
  'queued',
  'running',
  'paused',
  'frozen',
  'succeeded',
  'failed',
  'timed-out',
  'oom',
  'cancelled',
  'not-started',
  'lost',
];
const values: Readonly<Record<string, CompletedOption['value']>> = {
  file: 'file',
  each: 'file',
  commands: 'file',
  stdin: 'file',
  export: 'file',
  cwd: 'folder',
  launcher: launcherChoices,
  order: orders,
  balance: ['on', 'off'],
  role: nodeRoles,
  state: states,
  on: ['exit', 'timeout', 'oom', 'signal', 'lost', 'not-started', 'cancelled', 'succeeded', 'any'],
  'retry-on': ['exit', 'timeout', 'oom', 'signal', 'not-started', 'any'],
};
const shells = ['bash', 'zsh', 'fish'];

export function completionModel(program: Command): CompletionModel {
  const commands = program.commands.map((command) => completedCommand(command));
  const names = commands.map(({ name }) => name);
  return {
    commands: [
      ...commands,
      { name: 'help', description: 'help for a command', options: [], words: names, runsProgram: false },
    ],
  };
}

function completedCommand(command: Command): CompletedCommand {
  const name = command.name();
  const takes = new Set(command.registeredArguments.map((argument) => argument.name()));
  return {
    name,
    description: command.description(),
    options: [
      ...command.options.filter((option) => !option.hidden).map((option) => completedOption(option)),
      { short: 'h', long: 'help', description: 'print help', value: undefined },
    ],
    words: takes.has('sel') ? ['last', 'all'] : takes.has('shell') ? shells : [],
    runsProgram: takes.has('command'),
  };
}

function completedOption(option: Option): CompletedOption {
  const long = (option.long ?? '').replace(/^--/, '');
  // `--csv` is a file where jobs come from and a form of output elsewhere.
  const value =
    option.required || option.optional
      ? (option.argChoices ?? values[long] ?? (/<file>/.test(option.flags) ? 'file' : 'any'))
      : undefined;
  return { short: option.short?.replace(/^-/, ''), long, description: option.description, value };
}
