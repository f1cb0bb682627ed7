import type { LauncherName, NodeMap, NodeRole, OnLost } from '@omx/core';
import type { QueueAddress } from '@omx/queue';
import type { Logger } from 'pino';

export interface WorkerOptions {
  readonly address: QueueAddress;
  readonly name: string;
  /** Folder for this node's journal, outputs and sockets. */
  readonly nodeDir: string;
  readonly shepherdSocket: string;
  /** @defaultValue 'auto': one a usable CPU, fewer while others use them */
  readonly slots: number | 'auto';
  readonly role: NodeRole;
  readonly labels: Readonly<Record<string, string>>;
  /** The only launchers it offers; undefined: all that work there. */
  readonly launchers?: readonly LauncherName[];
  readonly leaseMs: number;
  readonly onLost: OnLost;
  /** Leave after so long without a job, milliseconds; undefined: stay. */
  readonly idleMs?: number;
  /** Told to leave, it first moves jobs to other nodes for at most so long, milliseconds. */
  readonly graceMs: number;
  readonly map?: NodeMap;
  /** Where other nodes reach this one for jobs that move. @defaultValue from where it is connected to the queue */
  readonly reachableAt?: string;
  /** A folder that all nodes see, for images of its jobs. @defaultValue they are kept at other nodes */
  readonly imageDir?: string;
  readonly version: string;
  readonly log: Logger;
}
