import type { CriuProgram } from '@omx/launch';
import type { FitsRequest, JobTraits, MoveAnswers, Refusal, TraitsRequest } from '@omx/queue';

import type { Attempts } from '../attempt.ts';
import { capsuleJobOf } from '../capsule-jobs.ts';
import { refusalOf } from './refusals.ts';
import { machineTraits, misfit, readTraits } from './traits.ts';

interface FitnessOptions {
  readonly nodeDir: string;
  readonly node: string;
  readonly attempts: Attempts;
  readonly criu: () => Promise<CriuProgram>;
}

/** Answers who asks, before anything is moved, whether something could be: `omx doctor`. */
export class Fitness {
  readonly #options: FitnessOptions;

  constructor(options: FitnessOptions) {
    this.#options = options;
  }

  get answers(): {
    readonly [Type in 'traits' | 'fits']: (
      request: MoveAnswers[Type]['request'],
    ) => Promise<MoveAnswers[Type]['answer']>;
  } {
    return {
      traits: async (request) => this.#traits(request).catch(refusalOf),
      fits: async (request) => this.#fits(request).catch(refusalOf),
    };
  }

  async #traits({ job }: TraitsRequest): Promise<JobTraits | Refusal> {
    const { attempts, nodeDir, node } = this.#options;
    const criu = await this.#options.criu();
    if (job === undefined) return machineTraits(criu);
    const attempt = attempts
      .ofBatch(job.batch)
      .find(({ ordinal, number }) => ordinal === job.ordinal && number === job.attempt);
    if (attempt?.phase !== 'running') return { refused: `it does not run at node ${node}`, code: 'NOT_RUNNING' };
    if (attempt.launcher !== 'criu') return { refused: `it runs under ${attempt.launcher}`, code: 'OTHER_LAUNCHER' };
    return readTraits(criu, capsuleJobOf(nodeDir, attempt), attempt.slots);
  }

  async #fits({ traits }: FitsRequest): Promise<{ done: true } | Refusal> {
    return (await misfit(await this.#options.criu(), traits)) ?? { done: true };
  }
}
