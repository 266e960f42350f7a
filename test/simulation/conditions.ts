import type { FaultKind } from './faults.ts';
import type { LineConditions } from './sim-network.ts';
import { SimRandom } from './sim-random.ts';
import type { DiskConditions } from './sim-store.ts';

/** Chances of what has no time of its own, for each exchange or write. */
const CHANCES = { lostReply: 0.03, lostRequest: 0.03, duplicate: 0.02, stall: 0.02, diskError: 0.002, slowWrite: 0.05 };

/** How lines and disks behave now: by dice of their own for each kind of fault, and by what was switched on. */
export class Conditions {
  readonly lines: LineConditions;
  /** lines that carry nothing: the child's id, or both ids */
  readonly cut = new Set<string>();
  /** disks without room: node ids */
  readonly full = new Set<string>();
  #healed = false;
  readonly #kinds: ReadonlySet<FaultKind>;
  readonly #seed: number;

  constructor(seed: number, kinds: readonly FaultKind[]) {
    this.#seed = seed;
    this.#kinds = new Set(kinds);
    const latency = new SimRandom(seed, 'latency');
    const loss = new SimRandom(seed, 'lost-request');
    const reply = new SimRandom(seed, 'lost-reply');
    const copy = new SimRandom(seed, 'duplicate');
    const stall = new SimRandom(seed, 'stall');
    const silence = new SimRandom(seed, 'silent-loss');
    this.lines = {
      latencyMs: () => latency.between(1, 40),
      isCut: (child, parent) => this.cut.has(child) || this.cut.has(parent),
      losesRequest: () => this.#has('lost-request') && loss.chance(CHANCES.lostRequest),
      losesReply: () => this.#has('lost-reply') && reply.chance(CHANCES.lostReply),
      duplicates: () => this.#has('duplicate') && copy.chance(CHANCES.duplicate),
      stallMs: () => (this.#has('stall') && stall.chance(CHANCES.stall) ? stall.between(100, 40_000) : 0),
      isReset: () => !(this.#has('silent-loss') && silence.chance(0.5)),
    };
  }

  /** From now on nothing goes wrong. */
  heal(): void {
    this.#healed = true;
    this.cut.clear();
    this.full.clear();
  }

  /** For one life of the process on it. */
  disk(node: string, life: number): DiskConditions {
    const time = new SimRandom(this.#seed, `disk ${node} ${life}`);
    const failure = new SimRandom(this.#seed, `disk-error ${node} ${life}`);
    const conditions = this;
    return {
      writeMs: () => {
        const slow = this.#has('slow-disk') && time.chance(CHANCES.slowWrite);
        return slow ? time.between(50, 2_000) : time.between(1, 8);
      },
      outcome: () => {
        if (this.full.has(node)) return 'failed';
        if (!this.#has('disk-error') || !failure.chance(CHANCES.diskError)) return 'done';
        return failure.chance(0.5) ? 'failed' : 'failed-but-written';
      },
      get accepting() {
        return !conditions.full.has(node);
      },
    };
  }

  #has(kind: FaultKind): boolean {
    return !this.#healed && this.#kinds.has(kind);
  }
}
