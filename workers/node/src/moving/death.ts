import type { EndedEvent, ShepherdEvent } from '@omx/launch';

import type { Attempt } from '../attempt.ts';

/** The end of an original, as the shepherd tells it: whoever moves the job hears it instead of the executor. */
export class Death {
  event: EndedEvent | undefined;
  readonly told: Promise<void>;
  #tell: () => void = () => {};

  constructor() {
    this.told = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  /** From now on. */
  static of(attempt: Attempt): Death {
    const death = new Death();
    attempt.hears = (event) => death.#hear(event);
    return death;
  }

  #hear(event: ShepherdEvent): void {
    if (event.type === 'started') return;
    if (event.type === 'ended') this.event = event;
    this.#tell();
  }
}
