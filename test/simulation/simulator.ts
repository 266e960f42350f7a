import type { Timer } from '@backhaul/runtime';
import { EventQueue, type SimEvent } from './event-queue.ts';
import { TraceHash } from './trace-hash.ts';

/** Events between two turns of the real event loop, so that the process stays responsive. */
const EVENTS_PER_TURN = 4096;
/** Turns of the real event loop in which a starting node touches no file: then it waits for simulated time. */
const QUIET_TURNS = 3;

/**
 * Time and order of a whole simulated world, in one thread. One event runs at a time; before the next one everything that it
 * set going without waiting (promises) has run to its end. The same seed makes the same events in the same order: the
 * trace says so.
 */
export class Simulator {
  readonly trace = new TraceHash();
  /** ms since the beginning of the world */
  now = 0;
  /** events run */
  events = 0;
  /** looks at the world after every event; throws when something is wrong */
  check: () => void = () => {};
  readonly #queue = new EventQueue();
  #order = 0;
  #starting = 0;

  get waiting(): number {
    return this.#queue.size;
  }

  schedule(delayMs: number, label: string, run: () => void): Timer {
    const at = this.now + Math.max(0, Math.round(delayMs));
    const event: SimEvent = { at, order: this.#order++, label, cancelled: false, run };
    this.#queue.push(event);
    return {
      cancel: () => {
        event.cancelled = true;
        event.run = nothing; // what it holds on to may be forgotten before its time comes
      },
    };
  }

  /** While something starts that may touch the real file system, its real work is waited for between events, too. */
  starting(count: 1 | -1): void {
    this.#starting += count;
  }

  /** Everything up to `until`; ends early when `done` says so. */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    await this.#settle();
    for (let next = this.#queue.peek(); next !== undefined && next.at <= until && !done(); next = this.#queue.peek()) {
      this.#queue.pop();
      if (next.cancelled) continue;
      this.now = next.at;
      this.events++;
      this.trace.number(next.at);
      this.trace.text(next.label);
      next.run();
      await this.#settle();
      this.check();
      if (this.events % EVENTS_PER_TURN === 0) await turn();
    }
    if (!done()) this.now = Math.max(this.now, until);
  }

  async #settle(): Promise<void> {
    await drained();
    if (this.#starting === 0) return;
    for (let quiet = 0; quiet < QUIET_TURNS; quiet = isTouchingFiles() ? 0 : quiet + 1) await turn();
  }
}

const nothing = (): void => {};

/** Resolves when every promise that can go on has gone on: `nextTick` comes after the last microtask. */
function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isTouchingFiles(): boolean {
  return process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq') || name === 'FileHandle');
}
