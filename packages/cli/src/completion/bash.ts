import type { CompletedCommand, CompletedOption, CompletionModel } from './model.ts';

/**
 * A script for bash(1), "Programmable Completion". Where it has nothing to say (files, folders, programs' arguments)
 * readline's own completion of file names takes over, which quotes as it should.
 */
export function bashCompletion(model: CompletionModel): string {
  return `# bash completion for omx: source <(omx completion bash)
_omx() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command= words= options= valued= program= i word
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=( $(compgen -W '${[...model.commands.map(({ name }) => name), '--help', '--version'].join(' ')}' -- "$cur") )
    return
  fi
  command=\${COMP_WORDS[1]}
  case $command in
${model.commands.map((command) => definition(command)).join('\n')}
    *) return ;;
  esac
  # Is the cursor at a value, or behind the program that jobs are to run?
  local expects= seen=
  for (( i = 2; i < COMP_CWORD; i++ )); do
    word=\${COMP_WORDS[i]}
    if [[ -n $expects ]]; then expects=
    elif [[ $word == -- ]]; then seen=1; break
    elif [[ $word == -* ]]; then [[ " $valued " == *" $word "* ]] && expects=$word
    elif [[ -n $program ]]; then seen=1; break
    fi
  done
  if [[ -n $seen ]]; then
    [[ -n $program && $i -eq $((COMP_CWORD - 1)) && \${COMP_WORDS[i]} == -- ]] && COMPREPLY=( $(compgen -c -- "$cur") )
    return
  fi
  if [[ -n $expects ]]; then
    case $command$expects in
${model.commands.flatMap((command) => valueCases(command)).join('\n')}
    esac
    return
  fi
  if [[ $cur == -* ]]; then COMPREPLY=( $(compgen -W "$options" -- "$cur") )
  elif [[ -n $program ]]; then COMPREPLY=( $(compgen -c -- "$cur") )
  else COMPREPLY=( $(compgen -W "$words" -- "$cur") )
  fi
}
complete -o bashdefault -o default -F _omx omx
`;
}

function definition({ name, options, words, runsProgram }: CompletedCommand): string {
  const valued = options.filter(({ value }) => value !== undefined).flatMap((option) => namesOf(option));
  const set = [
    `options='${options.flatMap((option) => namesOf(option)).join(' ')}'`,
    ...(valued.length === 0 ? [] : [`valued='${valued.join(' ')}'`]),
    ...(words.length === 0 ? [] : [`words='${words.join(' ')}'`]),
    ...(runsProgram ? ['program=1'] : []),
  ];
  return `    ${name}) ${set.join(' ')} ;;`;
}

function valueCases({ name, options }: CompletedCommand): string[] {
  return options.flatMap((option) => {
    const patterns = namesOf(option)
      .map((each) => `${name}${each}`)
      .join('|');
    if (option.value === 'folder')
      return [`      ${patterns}) compopt -o dirnames 2>/dev/null; COMPREPLY=( $(compgen -d -- "$cur") ) ;;`];
    if (typeof option.value !== 'object') return [];
    return [`      ${patterns}) COMPREPLY=( $(compgen -W '${option.value.join(' ')}' -- "$cur") ) ;;`];
  });
}

function namesOf({ short, long }: CompletedOption): string[] {
  return [...(short === undefined ? [] : [`-${short}`]), `--${long}`];
}
