import { performance } from 'node:perf_hooks';
import type { Clock } from './clock.ts';
import { Repeating } from './repeating.ts';

/** What is looked at and done; of the running process unless a test says otherwise. */
export interface ProcessMemory {
  /** share of the time since the last call in which JavaScript ran, 0 to 1 */
  readonly busyShare: () => number;
  /** bytes that the heap has taken from the system */
  readonly heapBytes: () => number;
  /** gives back what can be given back; blocks for 30 to 160 ms */
  readonly collect: () => void;
}

const LOOK_MS = 5_000;
/** A process that did less than this between two looks is at rest. */
const AT_REST = 0.01;
/** One quiet look may lie between two bursts. */
const QUIET_LOOKS = 2;
/** After a pause none for so many times as long: what comes once a second must not meet them. */
const PAUSE_SHARE = 1_000;
/** Less than this is not worth the pause. */
const WORTH_BYTES = 8 * 1024 ** 2;

/**
 * Gives the heap of a process back to the system once it has been at rest for ten seconds. V8 keeps what starting and the last
 * burst took, because it looks at its heap only when something is allocated: a role that waits for its next alarm would keep
 * twice the memory it needs, for weeks (docs/performance.md).
 */
export class MemoryAtRest {
  readonly #clock: Clock;
  readonly #memory: ProcessMemory;
  readonly #repeating: Repeating;
  #quietLooks = 0;
  #keptBytes = 0;
  #notBefore = 0;

  constructor(clock: Clock, memory: ProcessMemory) {
    this.#clock = clock;
    this.#memory = memory;
    this.#repeating = new Repeating(clock, LOOK_MS, async () => this.#look());
  }

  start(): void {
    this.#memory.busyShare();
    this.#repeating.start();
  }

  stop(): Promise<void> {
    return this.#repeating.stop();
  }

  #look(): void {
    this.#quietLooks = this.#memory.busyShare() < AT_REST ? this.#quietLooks + 1 : 0;
    const began = this.#clock.monotonic();
    if (this.#quietLooks < QUIET_LOOKS || began < this.#notBefore) return;
    if (this.#memory.heapBytes() < this.#keptBytes + WORTH_BYTES) return;
    this.#memory.collect();
    const ended = this.#clock.monotonic();
    this.#notBefore = ended + PAUSE_SHARE * (ended - began);
    this.#keptBytes = this.#memory.heapBytes();
    this.#quietLooks = 0;
  }
}

/**
 * Collects the youngest objects now, in about a millisecond; nothing where Node was started without `--expose-gc`. For whoever
 * receives much: what sockets read lies outside the heap, where the collector does not see it piling up.
 */
export function collectYoung(): void {
  globalThis.gc?.({ type: 'minor', execution: 'sync' });
}

/** Of this process; undefined where Node was started without `--expose-gc`. */
export function thisProcess(): ProcessMemory | undefined {
  const { gc } = globalThis;
  if (gc === undefined) return undefined;
  let last = performance.eventLoopUtilization();
  const busyShare = () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
  const collect = () => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  return { busyShare, heapBytes: () => process.memoryUsage().heapTotal, collect };
}
