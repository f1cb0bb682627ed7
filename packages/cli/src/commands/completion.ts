import { usageError } from '@omx/core';
import type { Command } from 'commander';

import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { completionModel, type CompletionModel } from '../completion/model.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { type Io, write } from '../io.ts';

const scripts = new Map<string, (model: CompletionModel) => string>([
  ['bash', bashCompletion],
  ['zsh', zshCompletion],
  ['fish', fishCompletion],
]);

/** `omx completion SHELL`: a script made from the commands themselves, so it knows them all. */
export async function completion(io: Io, shell: string, program: Command): Promise<number> {
  const script = scripts.get(shell);
  if (script === undefined)
    throw usageError(`there is no completion for '${shell}'`, `shells are ${[...scripts.keys()].join(', ')}`);
  await write(io.stdout, script(completionModel(program)));
  return 0;
}
