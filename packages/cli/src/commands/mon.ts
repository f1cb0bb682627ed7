import { glyphsFor, monText, noNodes, runMon } from '@omx/monitor';

import { behindScreen, exitCodeOf, terminalOf } from '../full-screen.ts';
import { type Io, say, write, writeJson } from '../io.ts';
import { type QueueOptions, withSession } from '../session.ts';
import { nodeJson } from './nodes.ts';

interface MonOptions extends QueueOptions {
  readonly json?: boolean;
}

/** `omx mon`: bars of the load of every node, live on a terminal, once elsewhere. */
export async function mon(io: Io, options: MonOptions): Promise<number> {
  const terminal = options.json === true ? undefined : terminalOf(io);
  if (terminal !== undefined) {
    return withSession(behindScreen(io), options, async ({ nodes }) =>
      exitCodeOf(await runMon(terminal, async () => nodes.list())),
    );
  }
  return withSession(io, options, async ({ nodes }) => {
    const known = await nodes.list();
    if (options.json === true) await writeJson(io, known.map(nodeJson));
    else if (known.length === 0) say(io, noNodes);
    else await write(io.stdout, monText(known, io.stdout.columns ?? 80, glyphsFor(io.env)));
    return 0;
  });
}
