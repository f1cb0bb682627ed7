import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { EventLog, type NodeEvent } from '@omx/queue';

import { isAlive, killNow } from '../../kit/batches.ts';
import { until } from '../../kit/until.ts';
import { type Ground, type GroundNode, leaseMs, pidOr } from './ground.ts';

export const victims = ['worker', 'shepherd', 'redis', 'submitter', 'node'] as const;
export type Victim = (typeof victims)[number];

/** SIGKILL: it is gone. SIGSTOP: it stands still and goes on later, not knowing that time has passed. */
export const signals = ['SIGKILL', 'SIGSTOP'] as const;
export type Signal = (typeof signals)[number];

export interface Blow {
  readonly victim: Victim;
  readonly signal: Signal;
  /** Which node's worker or shepherd, or which node. */
  readonly node: GroundNode;
  /** The process of `omx submit` or `omx run`; undefined where it has ended. */
  readonly submitter?: number;
}

/** How what was struck comes back. */
export interface Blown {
  /** Waits until others have noticed, as far as they will, or so long; brings it back, and waits until it is. */
  readonly mend: (options?: { readonly afterMs?: number }) => Promise<void>;
}

/** A pause that is part of the case: the fault lasts so long. */
export async function elapsed(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await until(() => performance.now() >= end, { timeoutMs: ms + 10_000 });
}

/** Strikes now. Without `afterMs` the mend of a node or a stopped worker waits until others have taken its jobs. */
export async function strike(ground: Ground, { victim, signal, node, submitter }: Blow): Promise<Blown> {
  switch (victim) {
    case 'worker':
      return strikeWorker(ground, node, signal);
    case 'shepherd':
      return strikeShepherd(node, signal);
    case 'redis':
      return strikeServer(ground, signal);
    case 'submitter':
      return strikeSubmitter(submitter, signal);
    case 'node':
      return strikeNode(ground, node, signal);
  }
}

async function strikeWorker(ground: Ground, node: GroundNode, signal: Signal): Promise<Blown> {
  const worker = node.workerPid();
  if (signal === 'SIGKILL') {
    await killNow(worker);
    // Started again at once, as a supervisor does: within its lease.
    return { mend: async ({ afterMs = 0 } = {}) => elapsed(afterMs).then(async () => node.start()) };
  }
  const heard = lossesOf(ground, node);
  const stopped = stop([worker]);
  return {
    mend: async ({ afterMs } = {}) => {
      await (afterMs === undefined ? heard() : elapsed(afterMs));
      proceed(stopped);
    },
  };
}

/** Its worker starts another by itself. */
async function strikeShepherd(node: GroundNode, signal: Signal): Promise<Blown> {
  const shepherd = node.shepherdPid();
  if (signal === 'SIGKILL') {
    await killNow(shepherd);
    return {
      mend: async () =>
        void (await until(() => node.shepherdPid() !== shepherd && isAlive(node.shepherdPid()), { timeoutMs: 20_000 })),
    };
  }
  const stopped = stop([shepherd]);
  return {
    mend: async ({ afterMs = leaseMs + 1000 } = {}) => {
      await elapsed(afterMs);
      proceed(stopped);
    },
  };
}

async function strikeServer({ server }: Ground, signal: Signal): Promise<Blown> {
  if (signal === 'SIGKILL') {
    await server.kill();
    return { mend: async ({ afterMs = 1000 } = {}) => elapsed(afterMs).then(server.restart) };
  }
  server.stop();
  return {
    // Longer than a lease: nobody can renew his, and nobody may take anything for that.
    mend: async ({ afterMs = leaseMs + 1000 } = {}) => {
      await elapsed(afterMs);
      server.cont();
    },
  };
}

async function strikeSubmitter(pid: number | undefined, signal: Signal): Promise<Blown> {
  if (pid === undefined || !isAlive(pid)) return { mend: async () => {} };
  if (signal === 'SIGKILL') {
    await killNow(pid);
    return { mend: async () => {} };
  }
  const stopped = stop([pid]);
  return {
    mend: async ({ afterMs = 1000 } = {}) => {
      await elapsed(afterMs);
      proceed(stopped);
    },
  };
}

/** The power fails, or the whole machine stands still: every process of it, in one moment. */
async function strikeNode(ground: Ground, node: GroundNode, signal: Signal): Promise<Blown> {
  const heard = lossesOf(ground, node);
  const worker = node.workerPid();
  const all = processesBeside(worker);
  const usher = usherOf(worker);
  if (signal === 'SIGKILL') {
    // Stopped first, so that nobody sees another die and acts on it.
    send('SIGKILL', stop(all));
    // It has stopped with the worker, and has to go on to see its end.
    if (usher !== undefined) await until(() => (proceed([usher]), !isAlive(usher)));
    await until(() => all.every((pid) => !isAlive(pid)));
    return {
      mend: async ({ afterMs } = {}) => {
        await (afterMs === undefined ? heard() : elapsed(afterMs));
        await node.start();
      },
    };
  }
  const stopped = stop(all);
  return {
    mend: async ({ afterMs } = {}) => {
      await (afterMs === undefined ? heard() : elapsed(afterMs));
      proceed(stopped);
    },
  };
}

/**
 * All processes of the same machine but those that keep it, by their numbers outside; those in namespaces of their own
 * inside of it are known by its network. Source: pid_namespaces(7).
 */
function processesBeside(pid: number): number[] {
  const space = readlinkSync(`/proc/${pid}/ns/pid`);
  const network = readlinkSync(`/proc/${pid}/ns/net`);
  if (space === readlinkSync('/proc/self/ns/pid')) throw new Error('this node has no machine of its own');
  const depth = numbersOf(readFileSync(`/proc/${pid}/status`, 'latin1')).length;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, 'latin1');
        const numbers = numbersOf(status);
        if (numbers.length > depth) return readlinkSync(`/proc/${name}/ns/net`) === network;
        const isKeeper = Number(numbers.at(-1)) === 1 || status.startsWith('Name:\tcat\n');
        return readlinkSync(`/proc/${name}/ns/pid`) === space && !isKeeper;
      } catch {
        return false;
      }
    })
    .map(Number);
}

function numbersOf(status: string): string[] {
  return /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
}

/** @returns those that were there to be stopped */
function stop(pids: readonly number[]): number[] {
  return send('SIGSTOP', pids);
}

function proceed(pids: readonly number[]): void {
  // Whoever brought a process into its machine stops with it and goes on only when told.
  send('SIGCONT', [...pids.map(usherOf).filter((pid) => pid !== undefined), ...pids]);
}

/** @returns those that were still there to take it */
function send(signal: NodeJS.Signals, pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    try {
      process.kill(pid, signal);
      return true;
    } catch {
      return false;
    }
  });
}

/** The process that has brought this one into its machine, if it came so. */
function usherOf(pid: number): number | undefined {
  try {
    const parent = Number(/\) . (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]);
    return readFileSync(`/proc/${parent}/comm`, 'utf8') === 'nsenter\n' ? parent : undefined;
  } catch {
    return undefined;
  }
}

/** Waits until others have found, from now on, that the node is lost. */
function lossesOf(ground: Ground, { name }: GroundNode): () => Promise<void> {
  const log = new EventLog(ground.redis);
  const since = Date.now();
  return async () => {
    const isLoss = ({ at, type, node }: NodeEvent): boolean => at >= since && type === 'node-lost' && node === name;
    await until(async () => (await log.read()).events.some(isLoss), { timeoutMs: 30_000 });
  };
}

/** Lets everything of the node go on that a failed case may have left standing. */
export function release(ground: Ground): void {
  for (const { workerPid, shepherdPid } of ground.nodes)
    proceed([pidOr(workerPid), pidOr(shepherdPid)].filter((pid) => pid !== undefined));
  try {
    ground.server.cont();
  } catch {
    // It is not there.
  }
}
