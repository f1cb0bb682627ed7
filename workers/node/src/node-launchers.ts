import { setTimeout as delay } from 'node:timers/promises';

import { type BatchSpec, type LauncherName, OmxError } from '@omx/core';
import {
  chooseLauncher,
  type CriuProbe,
  type CriuProgram,
  criuFacts,
  detectLaunchers,
  type Launcher,
  type LauncherFacts,
  recallCriu,
} from '@omx/launch';

/** A worker's start waits so long for the word about criu, which comes at once where an earlier worker tried it. */
const shortWaitMs = 100;

/** What jobs can be started with on this node. */
export class NodeLaunchers {
  readonly #criu: Promise<CriuProbe>;
  #facts: readonly LauncherFacts[];
  #trying: readonly LauncherName[] = [];

  /**
   * Looks at the node. Whether criu works may be known a moment later only; until then it is not among `facts`.
   * @param only the launchers it offers; undefined: all it has
   * @throws OmxError for a bad OMX_MOSIX_DIALECT
   */
  static async detect(only: readonly LauncherName[] | undefined): Promise<NodeLaunchers> {
    const isWanted = only === undefined || only.includes('criu');
    const criu = isWanted ? recallCriu() : Promise.resolve({ reason: 'it is not offered' });
    const unknown: CriuProbe = { reason: 'it is being tried out' };
    const early = Promise.race([criu, delay(shortWaitMs, unknown)]);
    const facts = await detectLaunchers(undefined, undefined, undefined, async () => early);
    return new NodeLaunchers(criu, facts, only, (await early) === unknown);
  }

  private constructor(
    criu: Promise<CriuProbe>,
    facts: readonly LauncherFacts[],
    only: readonly LauncherName[] | undefined,
    isTrying: boolean,
  ) {
    this.#criu = criu;
    this.#trying = isTrying ? ['criu'] : [];
    this.#facts = offered(facts, only);
    void criu.then((probe) => {
      this.#trying = [];
      this.#facts = offered([...facts.filter(({ name }) => name !== 'criu'), criuFacts(probe)], only);
    });
  }

  /** As far as they are known by now. */
  get facts(): readonly LauncherFacts[] {
    return this.#facts;
  }

  /** Those of which it is not known yet. */
  get trying(): readonly LauncherName[] {
    return this.#trying;
  }

  /** Fulfilled when criu has been tried. */
  async criu(): Promise<CriuProbe> {
    return this.#criu;
  }

  /** @throws LAUNCHER_UNAVAILABLE where nothing can be frozen or thawed here */
  async usableCriu(): Promise<CriuProgram> {
    const { criu, reason, hint = 'omx doctor there says more' } = await this.#criu;
    if (criu !== undefined && reason === undefined) return criu;
    throw new OmxError(`criu cannot be used on this node: ${reason}`, { code: 'LAUNCHER_UNAVAILABLE', hint });
  }

  /** @throws OmxError where this node lacks the launcher the batch asks for */
  async choose(spec: BatchSpec): Promise<{ readonly launcher: Launcher; readonly why: string }> {
    const isWorthCapsule = needsCapsule(spec);
    if (spec.launcher === 'criu' || (spec.launcher === 'auto' && isWorthCapsule)) await this.#criu;
    return chooseLauncher({ choice: spec.launcher, isWorthCapsule }, this.#facts);
  }
}

/** Whether it asks for something that only jobs in a capsule have. */
function needsCapsule({ checkpointMs, oversubscribe, forkMigrate }: BatchSpec): boolean {
  return checkpointMs !== undefined || oversubscribe || forkMigrate;
}

/** Those left out that the node is not to offer. */
function offered(facts: readonly LauncherFacts[], only: readonly LauncherName[] | undefined): readonly LauncherFacts[] {
  if (only === undefined) return facts;
  return facts.map((fact) => {
    if (only.includes(fact.name)) return fact;
    const { create: _create, ...rest } = fact;
    return {
      ...rest,
      usable: false,
      verdict: `${fact.name}: not offered`,
      reason: 'its worker was told not to offer it (--launcher)',
    };
  });
}
