import type { CompletedCommand, CompletedOption, CompletionModel } from './model.ts';

/** A script for zsh, zshcompsys(1): it may be sourced, or stand as `_omx` in a folder of `fpath`. */
export function zshCompletion(model: CompletionModel): string {
  return `#compdef omx
# zsh completion for omx: source <(omx completion zsh)
_omx() {
  local curcontext=$curcontext state line
  local -a verbs
  verbs=(
${model.commands.map(({ name, description }) => `    ${quote(`${name}:${description.replaceAll(':', String.raw`\:`)}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe -t commands 'omx command' verbs
    _arguments '(-h --help)'{-h,--help}'[print help]' '(-V --version)'{-V,--version}'[print the version]'
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${model.commands.map((command) => commandCase(command)).join('\n')}
  esac
}
if [[ $funcstack[1] == _omx ]]; then _omx "$@"; else compdef _omx omx; fi
`;
}

function commandCase(command: CompletedCommand): string {
  const specs = [...command.options.flatMap((option) => optionSpecs(option)), ...positionals(command)].map(
    (spec) => `      ${quote(spec)} \\`,
  );
  return [`    ${command.name}) _arguments -S \\`, ...specs, '      && return ;;'].join('\n');
}

/** Each name by itself; `*`: it may be given again. */
function optionSpecs({ short, long, description, value }: CompletedOption): string[] {
  const tail = `[${description.replaceAll(/[[\]\\]/g, String.raw`\$&`)}]${value === undefined ? '' : `:${long}:${action(value)}`}`;
  return [...(short === undefined ? [] : [`-${short}`]), `--${long}`].map((name) => `*${name}${tail}`);
}

function positionals({ words, runsProgram }: CompletedCommand): string[] {
  if (runsProgram) return ['(-)1:program:_command_names -e', '*::argument:_normal'];
  return [words.length === 0 ? '*:file:_files' : `*:word:(${words.join(' ')})`];
}

function action(value: NonNullable<CompletedOption['value']>): string {
  if (value === 'file') return '_files';
  if (value === 'folder') return '_files -/';
  return value === 'any' ? ' ' : `(${value.join(' ')})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
