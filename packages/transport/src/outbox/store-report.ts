import { type Clock, type Component, Repeating } from '@backhaul/runtime';
import type { Store, StoreFinding } from '@backhaul/spool';
import type { Heartbeat } from './heartbeat.ts';

/** Damage is found at an opening, and when a value is read: it is told within this time. */
const LOOK_MS = 30_000;
/** Findings named in one notice; the counts are complete. */
const NAMED = 20;
const DETAIL_CHARACTERS = 200;

export interface StoreReportOptions {
  readonly store: Pick<Store, 'findings'>;
  readonly notify: Heartbeat['notify'];
  readonly clock: Clock;
}

/**
 * What a store was found to have lost is counted and told upward, once: it is set aside, and service goes on with the rest
 * [S7]. The log of this component has every finding; staff far away have the notice.
 */
export class StoreReport implements Component {
  readonly name = 'store report';
  readonly #options: StoreReportOptions;
  readonly #looks: Repeating;
  #told = 0;

  constructor(options: StoreReportOptions) {
    this.#options = options;
    this.#looks = new Repeating(options.clock, LOOK_MS, () => this.look());
  }

  async start(): Promise<void> {
    await this.look();
    this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  /** Tells what was found since what was told last; a notice that is not kept is told again at the next look. */
  async look(): Promise<void> {
    const { store, notify } = this.#options;
    const fresh = store.findings().slice(this.#told);
    if (fresh.length === 0) return;
    const gaps = fresh.filter(({ code }) => code === 'BH-E-SPOOL-GAP').length;
    const damaged = fresh.length - gaps;
    const kept = await notify('store-findings', {
      severity: 'major',
      text: `the store was found damaged: ${gaps} gaps, ${damaged} damaged places; service goes on`,
      data: { gaps, damaged, findings: fresh.slice(0, NAMED).map(named) },
    });
    if (kept) this.#told += fresh.length;
  }
}

function named({ code, detail }: StoreFinding) {
  return { code, detail: detail.slice(0, DETAIL_CHARACTERS) };
}
