import { slotsNow } from '@omx/balance';
import { type Load, LoadMeter, measureSpeed, readCpuFacts } from '@omx/launch';

interface NodeLoadOptions {
  readonly slots: number | 'auto';
  /** Processes whose work is omx's own, with all they started. */
  readonly own: () => readonly number[];
}

/**
 * Whatever else goes on when a worker starts takes a part of the speed away, up to half of it where two processors share
 * one core. So it is measured again at this many looks, which takes a few milliseconds each, and the best counts.
 */
const speedLooks = 60;

/** How busy this node is, and how many slots that leaves. */
export class NodeLoad {
  /** Slots while nobody else works here. */
  readonly maxSlots: number;
  readonly #automatic: boolean;
  readonly #meter: LoadMeter;
  #slots: number;
  #latest: Load;
  #speed = measureSpeed();
  #looks = 0;

  constructor({ slots, own }: NodeLoadOptions) {
    this.#automatic = slots === 'auto';
    this.maxSlots = slots === 'auto' ? readCpuFacts().usable : slots;
    this.#slots = this.maxSlots;
    this.#meter = new LoadMeter({ own });
    this.#latest = this.#meter.sample();
  }

  get slots(): number {
    return this.#slots;
  }

  /** Of one CPU; see `measureSpeed`. */
  get speed(): number {
    return this.#speed;
  }

  get latest(): Load {
    return this.#latest;
  }

  /** Looks anew; call it with every beat. @returns whether there are more or fewer slots than before */
  sample(): boolean {
    this.#latest = this.#meter.sample();
    if (this.#looks < speedLooks) {
      this.#looks += 1;
      this.#speed = Math.max(this.#speed, measureSpeed(0));
    }
    if (!this.#automatic) return false;
    const { cpus, externalLoad } = this.#latest;
    const before = this.#slots;
    this.#slots = slotsNow({ cpus, maxSlots: this.maxSlots, externalLoad, previous: before });
    return this.#slots !== before;
  }
}
