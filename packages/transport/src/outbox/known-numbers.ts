import type { Lane } from '@backhaul/envelope';
import type { Numbering, SpoolEntry } from '@backhaul/spool';

/**
 * Which of this component's numbers a parent can know: those given before this start (they may have been sent), and those sent
 * since. A number that was given since and not sent is known to nobody: a parent that holds it has it from a copy of this store.
 */
export class KnownNumbers {
  readonly #self: string;
  readonly #numbering: Numbering;
  readonly #highest = new Map<Lane, number>();
  #epoch: string | undefined;

  constructor(options: { self: string; numbering: Numbering }) {
    this.#self = options.self;
    this.#numbering = options.numbering;
  }

  /** To be called when the numbers are loaded and before one is given; later calls change nothing. */
  begin(): void {
    if (this.#epoch !== undefined) return;
    this.#epoch = this.#numbering.epoch;
    for (let lane = 0; lane <= 8; lane++) this.#highest.set(lane as Lane, this.#numbering.last(lane));
  }

  /** To be called before they are on their way. */
  sending(entries: readonly SpoolEntry[]): void {
    for (const { source, epoch, lane, sequence } of entries) {
      if (source !== this.#self || epoch !== this.#inEpoch()) continue;
      this.#highest.set(lane as Lane, Math.max(sequence, this.highest(lane as Lane)));
    }
  }

  highest(lane: Lane): number {
    this.#inEpoch();
    return this.#highest.get(lane) ?? 0;
  }

  /** Of a new epoch nothing is known before it is sent. */
  #inEpoch(): string {
    const { epoch } = this.#numbering;
    if (epoch !== this.#epoch) this.#highest.clear();
    this.#epoch = epoch;
    return epoch;
  }
}
