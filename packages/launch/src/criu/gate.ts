import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clocks } from './commands.ts';
import { makeGateFolder } from './gate-folder.ts';

/**
 * This side of the gate that holds criu (`native/capsule/gate.c` tells the whole protocol): between `reached` and `pass` or
 * `refuse` the job stands still. If this process dies meanwhile, that refuses. Before, a capsule for a copy may wait at it for
 * its order (`native/capsule/order.c`).
 */
export class Gate {
  readonly path: string;
  /** The job's clocks at that moment. Stays open where criu never comes so far: race it with criu's end. */
  readonly reached: Promise<Clocks>;
  /** A capsule waits for `order`. Stays open where none comes. */
  readonly awaited: Promise<void>;
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #capsule: Socket | undefined;
  #socket: Socket | undefined;
  #answer: ((passed: boolean) => void) | undefined;

  private constructor(folder: string, path: string, server: Server) {
    this.#folder = folder;
    this.path = path;
    this.#server = server;
    let isAwaited = (): void => {};
    this.awaited = new Promise((resolve) => {
      isAwaited = resolve;
    });
    this.reached = new Promise((resolve) => {
      server.on('connection', (socket) => this.#take(socket, resolve, isAwaited));
    });
  }

  static async open(): Promise<Gate> {
    const { folder, path } = makeGateFolder();
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return new Gate(folder, path, server);
  }

  /** For the environment of criu. */
  env(holdMs: number): Readonly<Record<string, string>> {
    return { OMX_GATE: this.path, OMX_GATE_SECONDS: String(Math.ceil(holdMs / 1000)) };
  }

  /** To the capsule that waits, once: what its clocks shall show now, and the pid after which criu's begin. */
  order({ monotonicNs, bootNs }: Clocks, lastPid: number): void {
    this.#capsule?.end(`${monotonicNs} ${bootNs} ${lastPid}\n`);
  }

  /** Somebody waits at it. */
  get isHeld(): boolean {
    return this.#socket !== undefined && !this.#socket.destroyed && this.#socket.readable;
  }

  /** True where it is decided for good; false where the gate had let go before. Asked once. */
  pass(): Promise<boolean> {
    const socket = this.#socket;
    if (socket === undefined || !this.isHeld) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#answer = resolve;
      socket.write('p');
    });
  }

  /** Refuses, unless it has passed; then only cleans up. A capsule that has no order yet ends. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #take(socket: Socket, isReached: (clocks: Clocks) => void, isAwaited: () => void): void {
    let text = '';
    this.#sockets.add(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (socket === this.#socket) this.#answer?.(false);
    });
    socket.on('data', (chunk: string) => {
      if (this.#answer !== undefined) return this.#answer(chunk === 'p');
      text += chunk;
      if (text === 'capsule\n') {
        this.#capsule = socket;
        return isAwaited();
      }
      const line = /^\S+ (\d+) (\d+)\n/.exec(text);
      if (line === null) return;
      this.#socket = socket;
      isReached({ monotonicNs: BigInt(line[1] ?? 0), bootNs: BigInt(line[2] ?? 0) });
    });
  }
}
