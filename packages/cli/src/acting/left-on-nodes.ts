import { isOmxError, type NodeInfo } from '@omx/core';
import { isNotMoved, MoveLog } from '@omx/queue';

import type { Session } from '../session.ts';

/** Tells once of each job that keeps a node from being drained, and again when there is another reason. */
export class LeftOnNodes {
  readonly #session: Session;
  readonly #tell: (line: string) => Promise<void>;
  /** By job: what was told last. */
  readonly #told = new Map<string, string>();

  constructor(session: Session, tell: (line: string) => Promise<void>) {
    this.#session = session;
    this.#tell = tell;
  }

  async look(nodes: readonly NodeInfo[]): Promise<void> {
    for (const { name, state, running } of nodes) {
      if (state !== 'draining' || running === 0) continue;
      for (const [id, reason] of await this.#left(name)) {
        const line = `${name}: ${id} still runs there${reason === undefined ? '' : `: ${reason}`}`;
        if (this.#told.get(id) === line) continue;
        this.#told.set(id, line);
        await this.#tell(line);
      }
    }
  }

  async #left(node: string): Promise<[string, string | undefined][]> {
    try {
      const { jobs } = await this.#session.asker().askJson(node, { type: 'movable' });
      const log = new MoveLog(this.#session.redis);
      return await Promise.all(
        jobs.map(async ({ id, batch, ordinal, attempt, immovable }): Promise<[string, string | undefined]> => {
          const refused = (await log.ofJob(batch, ordinal)).findLast(isNotMoved);
          const isLatest = refused?.attempt === attempt && refused.from === node;
          return [id, isLatest ? refused.failed : immovable];
        }),
      );
    } catch (error) {
      // It is asked again at the next look; what it says by itself is waited for anyway.
      if (isOmxError(error)) return [];
      throw error;
    }
  }
}
