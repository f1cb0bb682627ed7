import type { CriuProgram, Shepherd, StartRequest } from '@omx/launch';
import type { BatchStore, JobStore, Refusal } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import type { JobDemand } from '../capacity.ts';
import type { Executor } from '../executor.ts';

export interface ArrivalOptions {
  readonly nodeDir: string;
  /** This node's name, and where others reach it. */
  readonly node: string;
  readonly address: string;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly jobs: Pick<JobStore, 'read'>;
  readonly batches: Pick<BatchStore, 'addNote'>;
  readonly shepherd: Pick<Shepherd, 'start' | 'acknowledge' | 'end'>;
  readonly criu: () => Promise<CriuProgram>;
  readonly executor: Pick<Executor, 'copyStarted' | 'lose' | 'onRoom'>;
  /** What would start the attempt from the beginning; it makes an empty folder for it. */
  readonly request: (attempt: Attempt) => Promise<StartRequest>;
  /** Why the node takes no job that needs so much now. */
  readonly refusal: (demand: JobDemand, rss: number) => Refusal | undefined;
  /** Why the node keeps no image of about so many bytes. */
  readonly keepRefusal: (bytes: number) => Refusal | undefined;
  /** Whether the node may run its jobs. */
  readonly holdsLease: () => boolean;
  /** The attempt is this node's now; somebody may have wished something of it meanwhile. */
  readonly arrived: (attempt: Attempt) => void;
  readonly log: Logger;
}
