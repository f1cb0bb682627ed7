import { type NodeInfo, type NodeRole, type NodeState } from '@omx/core';
import { type LauncherFacts, readCpuFacts, readLoadAverage, readMemoryFacts } from '@omx/launch';
import type { NodeStore } from '@omx/queue';

export interface HeartbeatOptions {
  readonly nodes: NodeStore;
  readonly name: string;
  /** Tells this node, over restarts, from another of the same name. */
  readonly identity: string;
  readonly role: NodeRole;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: readonly LauncherFacts[];
  readonly version: string;
  readonly status: () => { readonly state: NodeState; readonly slots: number; readonly running: number };
}

/** Renews the node's lease and tells the others how it is. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** @returns who holds the lease: this node's identity, or another's of the same name */
  async beat(): Promise<string> {
    const { nodes, name, identity } = this.#options;
    const holder = await nodes.takeLease(name, identity);
    if (holder === identity) await nodes.describe(this.describe());
    return holder;
  }

  describe(): NodeInfo {
    const { name, role, labels, facts, version, status } = this.#options;
    const { state, slots, running } = status();
    const memory = readMemoryFacts();
    const load = readLoadAverage()?.one ?? 0;
    return {
      name,
      role,
      state,
      slots,
      running,
      load,
      externalLoad: Math.max(0, Math.round((load - running) * 100) / 100),
      cpus: readCpuFacts().usable,
      memTotal: memory?.totalBytes ?? 0,
      memFree: memory?.availableBytes ?? 0,
      launchers: facts.filter((fact) => fact.usable).map((fact) => fact.name),
      labels,
      lastSeen: Date.now(),
      pid: process.pid,
      version,
    };
  }
}
