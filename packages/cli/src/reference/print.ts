import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { buildProgram } from '../program.ts';
import { referenceMarkdown } from './markdown.ts';

/** The reference of omx itself. Building the program runs none of its commands, so it needs no process around it. */
export function reference(): string {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  return referenceMarkdown(
    buildProgram({ stdin, stdout, stderr, env: {}, cwd: '/', onInterrupt: () => () => {} }, () => {}),
  );
}

// `npm run docs`
if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(reference());
