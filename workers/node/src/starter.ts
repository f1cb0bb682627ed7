import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

import { batchNumber, bytesOf, type Bytes } from '@omx/core';
import type { Shepherd, StartRequest } from '@omx/launch';

import type { Attempt } from './attempt.ts';
import type { BatchRuntime } from './batch-cache.ts';
import { capsuleOutput, jobFolder, keptOutput, makeJobFolder } from './job-folders.ts';

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

  /**
   * @param copy for a copy of an attempt that ran so long before: its folder stays as it is, and whoever makes the copy puts
   * his command line in the place of the job's
   * @throws OmxError where the launcher the batch asks for is not there
   */
  async request(runtime: BatchRuntime, attempt: Attempt, copy?: { readonly ranMs: number }): Promise<StartRequest> {
    const launcher = await runtime.launcher();
    const spec = runtime.specOf(attempt.ordinal);
    const job = await runtime.expand(attempt.ordinal);
    const hasCapsule = launcher.name === 'criu';
    const paths = (hasCapsule ? capsuleOutput : keptOutput)(this.#nodeDir, attempt);
    const plan = launcher.plan({
      argv: job.argv,
      cwd: spec.cwd,
      path: runtime.path,
      stdin: spec.stdin,
      folder: hasCapsule ? (copy === undefined ? makeJobFolder : jobFolder)(this.#nodeDir, attempt) : undefined,
      groupId: batchNumber(attempt.batch),
      memBytes: spec.limits.memBytes,
    });
    attempt.launcher = launcher.name;
    this.#prepare(runtime, attempt);
    return {
      key: attempt.key,
      after: undefined,
      argv: plan.argv,
      environment: spec.env,
      extraEnv: [...plan.env, ...this.#variables(attempt, job.value)],
      // A copy has its own already.
      cwd: copy === undefined ? spec.cwd : bytesOf('/'),
      umask: spec.umask,
      stdin: (copy === undefined ? spec.stdin : undefined) ?? bytesOf('/dev/null'),
      stdout: bytesOf(paths.out),
      stderr: bytesOf(paths.err),
      timeMs: timeLeft(spec.limits.timeMs, copy?.ranMs),
      graceMs: spec.limits.graceMs,
      maxOutputBytes: spec.limits.maxOutputBytes ?? 0,
      killSignal: plan.killSignal,
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
    const variables = [
      `OMX_BATCH=${attempt.batch}`,
      `OMX_JOB=${attempt.index}`,
      `OMX_ATTEMPT=${attempt.number}`,
      `OMX_NODE=${this.#node}`,
    ];
    // A NUL cannot be in an environment, and a value with one cannot have come from a list.
    if (value.length <= 100_000) variables.push(`OMX_VALUE=${value}`);
    return variables as Bytes[];
  }
}

/** Zero is no limit. */
function timeLeft(limitMs: number | undefined, ranMs = 0): number {
  return limitMs === undefined ? 0 : Math.max(1, limitMs - ranMs);
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It holds output that stays on the node.
  }
}
