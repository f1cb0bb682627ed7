import { batchFileJsonSchema } from '@omx/core';

import { type Io, writeLine } from '../io.ts';

/** `omx schema`: what an editor or a generator needs to write batch files. */
export async function schema(io: Io): Promise<number> {
  await writeLine(io, JSON.stringify(await batchFileJsonSchema(), undefined, 2));
  return 0;
}
