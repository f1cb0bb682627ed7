import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ExitCode, OmxError } from '@omx/core';
import type { Bytes, OnLost } from '@omx/core';
import { readBootTimeMs } from '../host/machine.ts';
import { connectShepherd } from './connect.ts';
import type { Connection, ShepherdOptions } from './connect.ts';
import { readAlive, readEnded, readRefused, readStarted } from './events.ts';
import type { ShepherdState } from './events.ts';
import type { EndReason, RunningEntry, ShepherdEvent, StartRequest } from './messages.ts';
import {
  writeAcknowledge,
  writeEnd,
  writeEnvironment,
  writeLease,
  writeName,
  writeQuit,
  writeStart,
} from './requests.ts';
import { Answer, FrameWriter, Request } from './wire.ts';
import type { FrameReader } from './wire.ts';

export type EventListener = (events: ShepherdEvent[]) => void;
export type CloseListener = (error?: Error) => void;

/**
 * A worker's connection to the program that owns the jobs of this node. Requests have no answers of their own: events say
 * what came of them. Those made in one turn of the event loop travel together. After the connection is gone, requests
 * are dropped; a worker opens a new one, repeats `start` for what it has not heard of (a key is never started twice), and
 * defines its environments again.
 */
export class Shepherd {
  readonly hello: { readonly running: RunningEntry[]; readonly unreported: string[] };
  readonly pid: number;
  readonly #socket: Socket;
  readonly #frames: FrameReader;
  readonly #out = new FrameWriter();
  readonly #environments = new Set<string>();
  /** When the leases that are not answered yet were sent, by `performance.now`. */
  readonly #unanswered: number[] = [];
  #suspended = false;
  #suspensions = 0;
  /** How far the shepherd's CLOCK_BOOTTIME is ahead of what /proc/uptime says here: a container's may start with it. */
  #aheadMs = Number.NEGATIVE_INFINITY;
  #flushing = false;
  #onEvent: EventListener | undefined;
  #onClose: CloseListener | undefined;
  #held: ShepherdEvent[] = [];
  #state: 'open' | 'leaving' | 'closed' = 'open';
  #closeError: Error | undefined;
  #quit: { resolve: () => void; reject: (error: Error) => void } | undefined;

  /** Connects to the shepherd of a state folder; starts it where there is none. */
  static async open(options: ShepherdOptions): Promise<Shepherd> {
    return new Shepherd(await connectShepherd(options));
  }

  private constructor({ socket, hello, frames }: Connection) {
    this.hello = { running: hello.running, unreported: hello.unreported };
    this.pid = hello.pid;
    this.#socket = socket;
    this.#frames = frames;
    this.#note(hello);
    socket.on('data', (chunk: Buffer) => {
      frames.push(chunk);
      this.#receive();
    });
    // A close follows every error and says the same.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#closed());
    this.#receive();
    if (this.#state !== 'closed') socket.resume();
  }

  /** Events come in groups, what nobody has acknowledged first; those that came before the listener wait for it. */
  onEvent(listener: EventListener): void {
    this.#onEvent = listener;
    queueMicrotask(() => this.#deliver([]));
  }

  /** Called once, with an error where neither `close` nor `quit` was the cause. */
  onClose(listener: CloseListener): void {
    this.#onClose = listener;
    if (this.#state === 'closed') queueMicrotask(() => listener(this.#closeError));
  }

  /** For this connection; the shepherd forgets it when the worker goes. */
  defineEnvironment(digest: string, entries: readonly Bytes[]): void {
    this.#environments.add(digest);
    writeEnvironment(this.#out, digest, entries);
    this.#flushSoon();
  }

  forgetEnvironment(digest: string): void {
    this.#environments.delete(digest);
    writeName(this.#out, Request.forget, digest);
    this.#flushSoon();
  }

  start(requests: readonly StartRequest[]): void {
    for (const request of requests) {
      if (!this.#environments.has(request.environment)) {
        throw new Error(`environment ${request.environment} of ${request.key} is not defined on this connection`);
      }
      writeStart(this.#out, request);
    }
    this.#flushSoon();
  }

  end(key: string, reason: EndReason, graceMs: number): void {
    writeEnd(this.#out, key, reason, graceMs);
    this.#flushSoon();
  }

  /** Does nothing where it no longer waits for another; else it is refused at the stage `recalled`. */
  recall(key: string): void {
    writeName(this.#out, Request.recall, key);
    this.#flushSoon();
  }

  pause(key: string): void {
    writeName(this.#out, Request.pause, key);
    this.#flushSoon();
  }

  resume(key: string): void {
    writeName(this.#out, Request.resume, key);
    this.#flushSoon();
  }

  /**
   * Tells how long the node may run its jobs for sure. When that is over the shepherd acts by itself, with or without a
   * worker: `pause` stops every job, `stop` kills every job with the reason `lease`, `finish` does nothing. Meanwhile,
   * but for `finish`, starts are refused at the stage `lease`. With a new lease suspended jobs go on. Before the first
   * one, no lease runs out.
   *
   * A job may be ended while it is suspended; with a grace it runs on for that long.
   * @param until CLOCK_BOOTTIME as `readBootTimeMs` gives it; what is past runs out at once
   */
  lease(until: number, policy: OnLost): void {
    if (this.#state !== 'open') return;
    this.#unanswered.push(performance.now());
    writeLease(this.#out, until + this.#aheadMs, policy);
    this.#flushSoon();
  }

  /**
   * For how many milliseconds a `lease` has waited for its answer; 0 where none waits. After a stall of this process
   * itself the answer may lie unread in the socket: judge only after a turn of the event loop (`setImmediate`).
   */
  get silentMs(): number {
    const [since] = this.#unanswered;
    return since === undefined ? 0 : performance.now() - since;
  }

  /** Whether the lease has run out and, as it asked, nothing runs or starts. As the shepherd last said; it says so at once. */
  get suspended(): boolean {
    return this.#suspended;
  }

  /** How often that has come about, over this connection; what was frozen meanwhile would be stopped for ever in its copy. */
  get suspensions(): number {
    return this.#suspensions;
  }

  /** The shepherd forgets these ended or refused jobs. */
  acknowledge(keys: readonly string[], options: { readonly removeOutput: boolean }): void {
    if (keys.length === 0) return;
    writeAcknowledge(this.#out, keys, options.removeOutput);
    this.#flushSoon();
  }

  /**
   * Ends the shepherd; resolves when its process is gone. With `force` its jobs are killed first and reported as ended for
   * `requeue`; without, a shepherd with jobs stays and this rejects with `SHEPHERD_BUSY`.
   */
  async quit(options: { readonly force: boolean }): Promise<void> {
    if (this.#state === 'open') {
      await new Promise<void>((resolve, reject) => {
        this.#quit = { resolve, reject };
        writeQuit(this.#out, options.force);
        this.#flushSoon();
      });
    }
    // The socket closes while the process ends; its parent, perhaps we, has yet to take note of it.
    while (isAlive(this.pid)) await delay(1);
  }

  /** Leaves the shepherd and its jobs running. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#flush();
    this.#state = 'leaving';
    this.#socket.end();
    this.#socket.unref();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#out.empty) return;
    const frames = this.#out.take();
    if (this.#state === 'open') this.#socket.write(frames);
  }

  #receive(): void {
    const events: ShepherdEvent[] = [];
    for (let type = this.#frames.next(); type !== undefined; type = this.#frames.next()) {
      if (type === Answer.started) events.push(readStarted(this.#frames));
      else if (type === Answer.ended) events.push(readEnded(this.#frames));
      else if (type === Answer.refused) events.push(readRefused(this.#frames));
      else if (type === Answer.alive) this.#alive();
      else if (type === Answer.busy) this.#busy(this.#frames.u32());
      else if (type === Answer.replaced) this.#closeError = replaced(this.pid);
    }
    if (events.length > 0) this.#deliver(events);
  }

  #deliver(events: ShepherdEvent[]): void {
    const all = this.#held.length === 0 ? events : [...this.#held, ...events];
    this.#held = [];
    if (this.#onEvent === undefined) this.#held = all;
    else if (all.length > 0) this.#onEvent(all);
  }

  #alive(): void {
    const state = readAlive(this.#frames);
    if (state.answer) this.#unanswered.shift();
    this.#note(state);
  }

  #note({ now, suspended }: ShepherdState): void {
    if (suspended && !this.#suspended) this.#suspensions += 1;
    this.#suspended = suspended;
    // What was long on its way says too little; what came quickly is right to the 10 ms of /proc/uptime.
    this.#aheadMs = Math.max(this.#aheadMs, now - readBootTimeMs());
  }

  #busy(jobs: number): void {
    this.#quit?.reject(
      new OmxError(`the shepherd ${this.pid} still has ${jobs} running ${jobs === 1 ? 'job' : 'jobs'}`, {
        code: 'SHEPHERD_BUSY',
        exitCode: ExitCode.jobsFailed,
      }),
    );
    this.#quit = undefined;
  }

  #closed(): void {
    const expected = this.#state === 'leaving' || this.#quit !== undefined;
    this.#state = 'closed';
    this.#unanswered.length = 0;
    this.#quit?.resolve();
    if (!expected) this.#closeError ??= lost(this.pid);
    this.#onClose?.(this.#closeError);
  }
}

function lost(pid: number): OmxError {
  return new OmxError(`the shepherd ${pid} closed the connection`, {
    code: 'SHEPHERD_LOST',
    exitCode: ExitCode.unreachable,
  });
}

function replaced(pid: number): OmxError {
  return new OmxError(`another worker has connected to the shepherd ${pid}`, {
    code: 'SHEPHERD_REPLACED',
    exitCode: ExitCode.unreachable,
  });
}

/** A zombie counts as gone: in a container nobody may ever reap it. */
function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}
