import { execa, type Options } from 'execa';

/** Runs a program given in one list with its arguments, as words to get somewhere come before those of the command. */
export function run<T extends Options>([program, ...args]: readonly string[], options: T) {
  if (program === undefined) throw new Error('there is nothing to run');
  return execa(program, args, options);
}
