import type { CriuProgram } from '@omx/launch';
import type { ReceiveRequest, Refusal } from '@omx/queue';

import type { BatchRuntime } from '../batch-cache.ts';
import type { ArrivalOptions } from './arrival-options.ts';
import { refusalOf } from './refusals.ts';
import { misfit } from './traits.ts';

/** What this node would have; it has kept nothing for it yet. */
interface Admitted {
  readonly runtime: BatchRuntime;
  readonly criu: CriuProgram;
  /** Why there is no room for it any more. */
  readonly refusal: () => Refusal | undefined;
}

/** Whether this node would have a job, or keep an image of one, by its room, its processor and its programs. */
export async function admit(
  options: Pick<ArrivalOptions, 'cache' | 'refusal' | 'keepRefusal' | 'criu'>,
  { batch, ordinal, purpose, traits }: ReceiveRequest,
): Promise<Admitted | Refusal> {
  const runtime = await options.cache.get(batch);
  if (runtime === undefined) return { refused: `there is no batch ${batch}` };
  const { limits, oversubscribe } = runtime.specOf(ordinal);
  const { cpus, memBytes } = limits;
  const demand = { slots: cpus, oversubscribe, ...(memBytes === undefined ? {} : { memBytes }) };
  const refusal = (): Refusal | undefined =>
    purpose === 'move' ? options.refusal(demand, traits.rss) : options.keepRefusal(traits.rss);
  const no = refusal();
  if (no !== undefined) return no;
  try {
    const criu = await options.criu();
    return (purpose === 'move' ? await misfit(criu, traits) : undefined) ?? { runtime, criu, refusal };
  } catch (error) {
    return refusalOf(error);
  }
}
