import { bytesOf, textOf, type Bytes } from '../bytestring.ts';
import { usageError } from '../errors.ts';
import { JobExpander } from './expand.ts';
import { compileJobs } from './job-source.ts';
import { parseLabelText } from './option-values.ts';
import { compileOptions, type PathBase } from './options.ts';
import { specError, whereOnCommandLine, within, type Where } from './problem.ts';
import type { RawBatch } from './raw-batch.ts';
import type { SourceContent } from './sources.ts';
import type { BatchSpec, Item } from './spec.ts';
import { splitWords } from './words.ts';

/** What a batch takes from its submitter. */
export interface SubmitContext {
  /** Absolute. */
  readonly cwd: Bytes;
  /** @defaultValue `cwd` for every path */
  readonly base?: PathBase;
  readonly umask: number;
  /** Digest of the environment the jobs get (`batchEnvironment`). */
  readonly envDigest: string;
  /** How refusals name an option. @defaultValue as on the command line */
  readonly where?: Where;
}

export interface CompiledBatch {
  readonly spec: BatchSpec;
  /** One entry a job, to be stored beside the spec, where `needsItem(spec.jobs)`. */
  readonly items: readonly Item[] | undefined;
}

/**
 * Compiles a batch as it travels. Everything that can be known at submit is checked here: options, relations between them,
 * the number of jobs, and that every placeholder is defined.
 * @throws SPEC_INVALID, the message led by the place of what is wrong
 */
export function compileBatch(raw: RawBatch, sources: SourceContent, context: SubmitContext): CompiledBatch {
  const where = context.where ?? whereOnCommandLine;
  const options = compileOptions(raw, where, context.cwd, context.base);
  const { jobs, items, throttle } = compileJobs(raw, sources, where);
  const shell = raw.shell ?? false;
  const command = commandWords(raw, sources, where);
  if (jobs.kind === 'commands') refuseSecondCommand(command, where);
  else checkCommand(command, where);
  within(where(['command']), () => new JobExpander({ command, shell, jobs }));
  const spec: BatchSpec = {
    ...options,
    name:
      raw.name === undefined
        ? defaultName(command, raw)
        : within(where(['name']), () => parseLabelText(raw.name ?? '')),
    command,
    shell,
    jobs,
    umask: context.umask,
    env: context.envDigest,
    ...(throttle === undefined ? {} : { throttle }),
  };
  return { spec, items };
}

function commandWords(raw: RawBatch, sources: SourceContent, where: Where): readonly Bytes[] {
  if (sources.command !== undefined) return sources.command;
  const { command = [] } = raw;
  if (typeof command !== 'string') return command.map((word) => bytesOf(String(word)));
  if (raw.shell === true) return command.trim() === '' ? [] : [bytesOf(command)];
  return splitWords(bytesOf(command), { name: where(['command']) });
}

function checkCommand(command: readonly Bytes[], where: Where): void {
  const place = where(['command']);
  if (command.length === 0) {
    throw specError(place, 'there is no command to run', 'name a program; --commands FILE runs each line of a file');
  }
  if (command[0] === '') throw specError(place, 'the name of the program is empty');
  if (command.some((word) => word.includes('\0')))
    throw specError(place, 'a word holds a NUL byte, which no argument can');
}

function refuseSecondCommand(command: readonly Bytes[], where: Where): void {
  if (command.length === 0) return;
  const what = 'there is a command, and commands of the jobs’ own';
  throw specError(
    where(['commands']),
    what,
    'leave one of them out; --each FILE gives the lines to one command as values',
  );
}

/** The program's name, or that of the commands file. */
function defaultName(command: readonly Bytes[], raw: RawBatch): string {
  const path = command[0] ?? (typeof raw.commands === 'string' ? bytesOf(raw.commands) : '');
  const [program = ''] = textOf(path as Bytes)
    .trim()
    .split(/\s/, 1);
  const name = program.slice(program.lastIndexOf('/') + 1);
  try {
    if (name.includes('{') || name === '-') throw usageError('a placeholder is no name');
    return parseLabelText(name);
  } catch {
    return 'batch';
  }
}
