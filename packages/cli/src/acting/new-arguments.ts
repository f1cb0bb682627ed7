import { type Batch, type Bytes, compileTemplate, usageError } from '@omx/core';

/**
 * Splits a command's words at the `--` that was typed: commander hands over both sides as one list.
 * @param typed the command line as it was typed
 * @returns `after` is undefined where there was no `--`
 */
export function splitAtDashes(
  words: readonly string[],
  typed: readonly string[],
): { readonly before: string[]; readonly after: string[] | undefined } {
  const dashes = typed.indexOf('--');
  if (dashes === -1) return { before: [...words], after: undefined };
  const count = typed.length - dashes - 1;
  return { before: words.slice(0, words.length - count), after: words.slice(words.length - count) };
}

/**
 * Checks new arguments against what the batch's jobs offer as placeholders, before anything is changed.
 * @throws usage error where the batch's command cannot take them
 */
export function checkNewArguments(batch: Batch, args: readonly Bytes[]): void {
  const { spec } = batch;
  if (spec.jobs.kind === 'commands') {
    throw usageError(
      `${batch.id} cannot take new arguments: each of its jobs has a command of its own`,
      `omx rerun ${batch.id} --export FILE writes them to a file you can change and submit`,
    );
  }
  if (spec.shell && /[\s;&|<>()$`"'\\]/.test(spec.command[0] ?? '')) {
    throw usageError(
      `${batch.id} cannot take new arguments: it runs a line of sh and no single program`,
      'submit the changed line as a new batch',
    );
  }
  compileTemplate([...spec.command.slice(0, 1), ...args], spec.jobs);
}
