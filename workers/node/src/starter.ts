import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

import { bufferOf, bytesOf, type Bytes } from '@omx/core';
import type { Shepherd, StartRequest } from '@omx/launch';

import type { Attempt } from './attempt.ts';
import type { BatchRuntime } from './batch-cache.ts';

/** Where an attempt's output is on this node. */
export function outputPaths(
  nodeDir: string,
  attempt: Pick<Attempt, 'batch' | 'index' | 'number'>,
): { readonly out: string; readonly err: string } {
  const stem = join(nodeDir, 'out', attempt.batch, `${attempt.index}.${attempt.number}`);
  return { out: `${stem}.out`, err: `${stem}.err` };
}

/** Makes start requests, and sees to it that the shepherd knows a batch's environment before its first job. */
export class Starter {
  readonly #shepherd: Shepherd;
  readonly #nodeDir: string;
  readonly #node: Bytes;
  readonly #environments = new Set<string>();
  /** Folders for the output of batches; those an earlier worker left are looked after, too. */
  readonly #folders: Set<string>;

  constructor(shepherd: Shepherd, nodeDir: string, node: string) {
    this.#shepherd = shepherd;
    this.#nodeDir = nodeDir;
    this.#node = bytesOf(node);
    const out = join(nodeDir, 'out');
    this.#folders = new Set(existsSync(out) ? readdirSync(out) : []);
  }

  /** @throws OmxError where the launcher the batch asks for is not there */
  async request(runtime: BatchRuntime, attempt: Attempt): Promise<StartRequest> {
    const { launcher } = runtime.launcher;
    const spec = runtime.specOf(attempt.ordinal);
    const job = await runtime.expand(attempt.ordinal);
    const path = runtime.environment.find((entry) => entry.startsWith('PATH='));
    const plan = launcher.plan({
      argv: job.argv,
      cwd: spec.cwd,
      ...(path === undefined ? {} : { path: path.slice('PATH='.length) as Bytes }),
      groupId: Number(attempt.batch.slice(1)),
      ...(spec.limits.memBytes === undefined ? {} : { memBytes: spec.limits.memBytes }),
    });
    attempt.launcher = launcher.name;
    this.#prepare(runtime, attempt);
    const paths = outputPaths(this.#nodeDir, attempt);
    return {
      key: attempt.key,
      argv: plan.argv,
      environment: spec.env,
      extraEnv: [...plan.env, ...this.#variables(attempt, job.value)],
      cwd: spec.cwd,
      umask: spec.umask,
      stdin: spec.stdin ?? bytesOf('/dev/null'),
      stdout: bytesOf(paths.out),
      stderr: bytesOf(paths.err),
      timeMs: spec.limits.timeMs ?? 0,
      graceMs: spec.limits.graceMs,
      maxOutputBytes: spec.limits.maxOutputBytes ?? 0,
    };
  }

  /** Forgets environments and folders of batches that are no longer in use; a folder without output is removed. */
  forgetAllBut(kept: readonly BatchRuntime[]): void {
    const batches = new Set<string>(kept.map(({ batch }) => batch.id));
    for (const batch of this.#folders) {
      if (batches.has(batch)) continue;
      this.#folders.delete(batch);
      removeIfEmpty(join(this.#nodeDir, 'out', batch));
    }
    const environments = new Set(kept.map(({ batch }) => batch.spec.env));
    for (const digest of this.#environments) {
      if (environments.has(digest)) continue;
      this.#environments.delete(digest);
      this.#shepherd.forgetEnvironment(digest);
    }
  }

  #prepare(runtime: BatchRuntime, attempt: Attempt): void {
    const { env } = runtime.batch.spec;
    if (!this.#environments.has(env)) {
      this.#shepherd.defineEnvironment(env, runtime.environment);
      this.#environments.add(env);
    }
    if (!this.#folders.has(attempt.batch)) {
      mkdirSync(join(this.#nodeDir, 'out', attempt.batch), { recursive: true, mode: 0o700 });
      this.#folders.add(attempt.batch);
    }
  }

  #variables(attempt: Attempt, value: Bytes): Bytes[] {
    // A NUL cannot be in an environment, and a value with one cannot have come from a list.
    return [
      bytesOf(`OMX_BATCH=${attempt.batch}`),
      bytesOf(`OMX_JOB=${attempt.index}`),
      bytesOf(`OMX_ATTEMPT=${attempt.number}`),
      `OMX_NODE=${this.#node}` as Bytes,
      ...(bufferOf(value).length > 100_000 ? [] : [`OMX_VALUE=${value}` as Bytes]),
    ];
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It holds output that stays on the node.
  }
}
