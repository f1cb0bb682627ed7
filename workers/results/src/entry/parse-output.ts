import { faultMessage } from '../fault-message.ts';
import { parseWithModule } from '../module-parser.ts';
import { outputText } from '../output-text.ts';
import { parserSpecOf } from '../parser-spec.ts';
import { wholeTextMax } from '../parser.ts';
import type { ParseRequest } from '../request.ts';
import { encodeRows, type RowLimits } from '../row-encoding.ts';

/** A request with the limits of its pool, as it goes to a thread. */
export interface ThreadTask {
  readonly request: ParseRequest;
  readonly limits: RowLimits & { readonly maxOutputBytes: number };
}

/** Rows travel as JSON text: a string crosses the threads cheaply and always, whatever a parser returned. */
export type ThreadResult = { readonly rowsJson: string } | { readonly error: string };

// A thread's prints go through the memory of the main process, without limit, into a stream that is not the parser's.
process.stdout.write = discard;
process.stderr.write = discard;

/** The piscina entry: one request in, rows or the parser's fault out. It throws nothing; only the thread's death is left. */
export default async function parseOutput({ request, limits }: ThreadTask): Promise<ThreadResult> {
  try {
    return { rowsJson: encodeRows(await rowsOf(request, limits.maxOutputBytes), limits) };
  } catch (error) {
    return { error: faultMessage(error) };
  }
}

async function rowsOf(request: ParseRequest, maxOutputBytes: number): Promise<Iterable<unknown>> {
  const spec = parserSpecOf(request.parser);
  const { cwd, context } = request;
  if (spec.kind === 'builtin') return spec.parser.parse(outputText(request, maxOutputBytes), spec.argument, context);
  const output = outputText(request, Math.min(maxOutputBytes, wholeTextMax));
  return parseWithModule({ path: spec.path, cwd, output, context });
}

function discard(): boolean {
  return true;
}
