import type { ModuleChain } from '@backhaul/modules';
import { type Clock, type Component, type Logger, SparingLog, type Timer } from '@backhaul/runtime';
import { commitChanges, type Store } from '@backhaul/spool';
import type { Outbox } from '@backhaul/transport';
import type { Aggregation } from './aggregation.ts';
import { aggregateDrafts } from './make-aggregate.ts';

/** A due group that found no room, or a store being reopened, is tried again after this. */
const RETRY_MS = 1_000;
/** Windows are looked at this often at least; a clock that jumps must not keep one open. */
const LOOK_MS = 5_000;

export interface AggregationWindowsOptions {
  readonly aggregation: Aggregation;
  readonly modules: ModuleChain;
  readonly own: Outbox;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onMerged?: (messages: number) => void;
}

/** Ends the windows of groups that did not fill up: the aggregate in and its parts out in one commit [A2]. */
export class AggregationWindows implements Component {
  readonly name = 'aggregation windows';
  readonly #options: AggregationWindowsOptions;
  readonly #troubles: SparingLog;
  /** the next look, and when it is due (monotonic ms) */
  #next: { readonly timer: Timer; readonly at: number } | undefined;
  #running = false;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: AggregationWindowsOptions) {
    this.#options = options;
    this.#troubles = new SparingLog(options.logger, options.clock);
  }

  async start(): Promise<void> {
    this.#running = true;
    this.#schedule(0);
  }

  /** What is held stays held, in the store; its windows go on after the next start. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#next?.timer.cancel();
    this.#next = undefined;
    await this.#flushing;
  }

  /** Call when something new is held. */
  look(): void {
    const { aggregation, clock } = this.#options;
    const deadline = aggregation.nextDeadline;
    if (deadline !== undefined) this.#schedule(deadline - clock.now());
  }

  /** Never later than it is due already: what is held again and again must not put the next look off. */
  #schedule(ms: number): void {
    const { clock } = this.#options;
    const waitMs = Math.min(LOOK_MS, Math.max(0, ms));
    const at = clock.monotonic() + waitMs;
    if (!this.#running || (this.#next !== undefined && this.#next.at <= at)) return;
    this.#next?.timer.cancel();
    const look = (): void => {
      this.#next = undefined;
      this.#flushing = this.#flush();
    };
    this.#next = { timer: clock.after(waitMs, look), at };
  }

  async #flush(): Promise<void> {
    const { aggregation, clock } = this.#options;
    const due = aggregation.due(clock.now());
    let failed = false;
    for (const group of due) failed = !(await this.#close(group.id)) || failed;
    const next = aggregation.nextDeadline;
    if (failed) this.#schedule(RETRY_MS);
    else this.#schedule(next === undefined ? LOOK_MS : next - clock.now());
  }

  async #close(id: string): Promise<boolean> {
    const { aggregation, modules, own, store, clock, onMerged } = this.#options;
    const now = clock.now();
    const group = aggregation.due(now).find((one) => one.id === id);
    if (group === undefined) return true; // it was filled meanwhile
    try {
      const drafts = aggregateDrafts(modules, group, now, () => own.newId());
      const closed = { grown: new Map(), closed: [group] };
      await commitChanges(store, [...own.stageAll(drafts), aggregation.stage(closed)]); // [A2]
      onMerged?.(group.parts.length);
      return true;
    } catch (error) {
      this.#troubles.log('warn', 'store', { aggregate: id, error }, 'an aggregate could not be stored now');
      return false;
    }
  }
}
