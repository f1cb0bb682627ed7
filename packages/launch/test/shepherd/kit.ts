import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bytesOf } from '@omx/core';
import type { OnLost } from '@omx/core';
import { afterEach } from 'vitest';
import { readBootTimeMs } from '../../src/host/machine.ts';
import { Shepherd } from '../../src/shepherd/index.ts';
import type { EndedEvent, RefusedEvent, ShepherdEvent, StartRequest } from '../../src/shepherd/index.ts';

/** Waits until the condition gives something true; looks again every few milliseconds, and gives up loudly. */
export async function until<T>(what: string, condition: () => T | Promise<T>, ms = 10_000): Promise<NonNullable<T>> {
  for (const deadline = Date.now() + ms; ; await delay(3)) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms in vain: ${what}`);
  }
}

/** A state folder, a work folder, and the worker's side of a shepherd that keeps all it hears. */
export class Node {
  readonly dir = mkdtempSync(join(tmpdir(), 'omx-shepherd-'));
  readonly stateDir = join(this.dir, 'state');
  events: ShepherdEvent[] = [];
  shepherd!: Shepherd;
  closed: { readonly error?: Error } | undefined;

  static async open(): Promise<Node> {
    const node = new Node();
    nodes.push(node);
    await node.connect();
    return node;
  }

  async connect(options: { readonly binary?: string; readonly stateDir?: string } = {}): Promise<void> {
    this.events = [];
    this.closed = undefined;
    const shepherd = await Shepherd.open({ stateDir: this.stateDir, ...options });
    this.shepherd = shepherd;
    shepherd.onEvent((events) => this.events.push(...events));
    shepherd.onClose((error) => {
      if (this.shepherd === shepherd) this.closed = error === undefined ? {} : { error };
    });
    shepherd.defineEnvironment('env', [
      bytesOf('PATH=/usr/bin:/bin'),
      bytesOf('COLOUR=green'),
      bytesOf(`TEST_NODE=${this.dir}`),
    ]);
  }

  request(key: string, argv: readonly string[], more: Partial<StartRequest> = {}): StartRequest {
    return {
      key,
      argv: argv.map(bytesOf),
      environment: 'env',
      extraEnv: [],
      cwd: bytesOf(this.dir),
      umask: 0o022,
      stdin: bytesOf('/dev/null'),
      stdout: bytesOf(this.path(`${key}.out`)),
      stderr: bytesOf(this.path(`${key}.err`)),
      timeMs: 0,
      graceMs: 1000,
      maxOutputBytes: 0,
      ...more,
    };
  }

  start(key: string, argv: readonly string[], more: Partial<StartRequest> = {}): void {
    this.shepherd.start([this.request(key, argv, more)]);
  }

  sh(key: string, script: string, more: Partial<StartRequest> = {}): void {
    this.start(key, ['/bin/sh', '-c', script], more);
  }

  /** A lease that ends so many milliseconds from now. */
  lease(ms: number, policy: OnLost): void {
    this.shepherd.lease(readBootTimeMs() + ms, policy);
  }

  /** Waits until the shepherd has carried out everything asked of it before, signals included. */
  leased(ms: number, policy: OnLost): Promise<boolean> {
    this.lease(ms, policy);
    return until('the lease is answered', () => this.shepherd.silentMs === 0);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  text(name: string): string {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), 'utf8') : '';
  }

  find<T extends ShepherdEvent['type']>(type: T, key: string): Extract<ShepherdEvent, { type: T }> | undefined {
    return this.events.find(
      (event): event is Extract<ShepherdEvent, { type: T }> => event.type === type && event.key === key,
    );
  }

  started(key: string) {
    return until(`${key} started`, () => this.find('started', key));
  }

  ended(key: string): Promise<EndedEvent> {
    return until(`${key} ended`, () => this.find('ended', key));
  }

  refused(key: string): Promise<RefusedEvent> {
    return until(`${key} refused`, () => this.find('refused', key));
  }

  /** Waits for a line that the job wrote to the file, and gives it. */
  line(name: string): Promise<string> {
    return until(`a line in ${name}`, () => this.text(name).split('\n').slice(0, -1).at(-1));
  }

  /** Waits until no process lives that was started with this node's environment. */
  nothingLeft(): Promise<boolean> {
    return until('no process left', () => this.processes().length === 0);
  }

  /** The pids of those that live. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => {
        try {
          return (
            /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'latin1').includes(`TEST_NODE=${this.dir}\0`)
          );
        } catch {
          return false;
        }
      })
      .map(Number);
  }
}

const nodes: Node[] = [];

/** The letter of proc(5); undefined where there is no such process. */
export function stateOf(pid: number): string | undefined {
  try {
    return /\) (.) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  return !['Z', 'X', undefined].includes(stateOf(pid));
}

afterEach(async () => {
  for (const node of nodes.splice(0)) {
    if (node.closed !== undefined) await node.connect();
    await node.shepherd.quit({ force: true });
    await node.nothingLeft();
    rmSync(node.dir, { recursive: true, force: true });
  }
});
