import { join } from 'node:path';

import {
  type CriuProgram,
  pageServerBytes,
  receiveInto,
  receivePages,
  type Receiving,
  RunningDigests,
  runningDigestsBytes,
} from '@omx/launch';
import type { Receiver, ReceiveRequest } from '@omx/queue';

/** What is at work while something comes in. */
export interface Reception {
  readonly reception: Receiving;
  /** Of the memory of a large job. */
  readonly pages?: Receiving;
  /** Of what has come of the memory; the job stands still until all of it is compared. */
  readonly digests?: RunningDigests;
}

/** Whoever asks to be received freezes the job, and sends it, at once. */
const receiveMs = 60_000;
/** Slower than any network that jobs are moved over: both sides wait for large ones by it. */
export const slowestBytesAMs = 10_000;

/**
 * Listens for what comes into a folder.
 * @throws SHIP_FAILED where this node cannot listen at the address
 */
export async function openReception(
  { purpose, traits: { rss } }: Pick<ReceiveRequest, 'purpose' | 'traits'>,
  { criu, address, dir }: { readonly criu: CriuProgram; readonly address: string; readonly dir: string },
): Promise<Reception> {
  const [timeoutMs, image] = [receiveMs + rss / slowestBytesAMs, join(dir, 'image')];
  const reception = await receiveInto({ host: address, into: dir, timeoutMs });
  if (purpose === 'keep' || rss < runningDigestsBytes) return { reception };
  if (rss < pageServerBytes) return { reception, digests: new RunningDigests(image) };
  try {
    return { reception, pages: await receivePages({ criu, host: address, image, timeoutMs }) };
  } catch (error) {
    await reception.stop();
    throw error;
  }
}

/** For whoever sends it. */
export function receiverOf(host: string, { reception, pages }: Reception): Receiver {
  return {
    ...{ host, port: reception.port, token: reception.token },
    ...(pages === undefined ? {} : { pages: { port: pages.port, token: pages.token } }),
  };
}

/** Nothing more is written once this has resolved. */
export async function stopReceiving({ reception, pages, digests }: Partial<Reception>): Promise<void> {
  digests?.stop();
  await Promise.allSettled([reception?.stop(), pages?.stop()]);
}
