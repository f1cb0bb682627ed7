import type { CompletedCommand, CompletedOption, CompletionModel } from './model.ts';

/** A script for fish, complete(1). */
export function fishCompletion(model: CompletionModel): string {
  const lines = [
    '# fish completion for omx: omx completion fish | source',
    'complete -c omx -f -n __fish_use_subcommand',
    "complete -c omx -n __fish_use_subcommand -s h -l help -d 'print help'",
    "complete -c omx -n __fish_use_subcommand -s V -l version -d 'print the version'",
    ...model.commands.map(
      ({ name, description }) => `complete -c omx -n __fish_use_subcommand -a ${name} -d ${quote(description)}`,
    ),
    ...model.commands.flatMap((command) => commandLines(command)),
  ];
  return `${lines.join('\n')}\n`;
}

function commandLines({ name, options, words, runsProgram }: CompletedCommand): string[] {
  const head = `complete -c omx -n '__fish_seen_subcommand_from ${name}'`;
  const positional =
    words.length > 0
      ? [`${head} -f -a ${quote(words.join(' '))}`]
      : runsProgram
        ? [`${head} -a '(__fish_complete_command)'`]
        : [];
  return [...options.map((option) => `${head}${flags(option)} -d ${quote(option.description)}`), ...positional];
}

function flags({ short, long, value }: CompletedOption): string {
  const names = `${short === undefined ? '' : ` -s ${short}`} -l ${long}`;
  if (value === undefined) return names;
  if (value === 'file') return `${names} -r -F`;
  if (value === 'folder') return `${names} -x -a '(__fish_complete_directories)'`;
  return value === 'any' ? `${names} -x` : `${names} -x -a ${quote(value.join(' '))}`;
}

function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
}
