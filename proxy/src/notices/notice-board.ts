import type { RejectedItem } from '@backhaul/envelope';
import type { Clock } from '@backhaul/runtime';
import type { Change, Op, Store } from '@backhaul/spool';

const PREFIX = 'notice/';
/** Notices kept for one integrator; the oldest makes room. Receipts upward are complete, whatever is forgotten here. */
export const NOTICES_PER_INTEGRATOR = 1_000;
/** Notices in one answer. */
export const NOTICES_PER_ANSWER = 256;

/** What became of a message of an integrator after it was accepted. */
export interface LateNotice extends RejectedItem {
  readonly number: number;
  readonly integrator: string;
}

/**
 * Late rejections, for the integrator that sent what was lost: kept until newer ones push them out, so that an integrator that
 * was away is told [DESIGN §4.7]. Numbers rise for ever; an integrator asks for those after the last it has seen.
 */
export class NoticeBoard {
  readonly #store: Store;
  readonly #clock: Clock;
  /** what is on disk, and nothing else: what is left over of stagings that overlap goes with the next one */
  #byIntegrator = new Map<string, readonly LateNotice[]>();
  readonly #waiting = new Set<() => void>();
  #last = 0;

  constructor(options: { store: Store; clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  async load(): Promise<void> {
    const notices: LateNotice[] = [];
    for await (const [, value] of this.#store.scan(PREFIX)) {
      notices.push(JSON.parse(Buffer.from(value).toString()) as LateNotice);
    }
    this.#byIntegrator = Map.groupBy(notices, ({ integrator }) => integrator);
    this.#last = Math.max(this.#last, notices.at(-1)?.number ?? 0); // in the order of their numbers
  }

  get size(): number {
    return this.#byIntegrator.values().reduce((sum, notices) => sum + notices.length, 0);
  }

  /** For the commit of the loss. */
  stage(items: readonly { readonly integrator: string; readonly item: RejectedItem }[]): Change {
    const notices = items.map(({ integrator, item }) => ({ ...item, integrator, number: ++this.#last }));
    const ops = notices.map((notice): Op => ({ type: 'put', key: keyOf(notice), value: encode(notice) }));
    const surplus = this.#surplus(notices);
    return {
      ops: [...ops, ...surplus.map((old): Op => ({ type: 'del', key: keyOf(old) }))],
      applied: () => {
        for (const notice of notices) this.#add(notice);
        this.#remove(surplus);
        for (const wake of this.#waiting) wake();
      },
    };
  }

  /**
   * Those after `after`, oldest first; waits for one up to `waitMs`. A number that was never given is from before the store
   * was lost: all are told.
   */
  async after(integrator: string, after: number, waitMs: number, signal: AbortSignal): Promise<readonly LateNotice[]> {
    const until = this.#clock.monotonic() + waitMs;
    for (;;) {
      const seen = after > this.#last ? 0 : after;
      const notices = (this.#byIntegrator.get(integrator) ?? []).filter(({ number }) => number > seen);
      const left = until - this.#clock.monotonic();
      if (notices.length > 0 || left <= 0 || signal.aborted) return notices.slice(0, NOTICES_PER_ANSWER);
      await this.#change(left, signal);
    }
  }

  /** What the new ones push out; of a batch larger than the bound nothing is written in vain but its own beginning. */
  #surplus(fresh: readonly LateNotice[]): LateNotice[] {
    return [...Map.groupBy(fresh, ({ integrator }) => integrator)].flatMap(([integrator, added]) => {
      const all = [...(this.#byIntegrator.get(integrator) ?? []), ...added];
      return all.slice(0, Math.max(0, all.length - NOTICES_PER_INTEGRATOR));
    });
  }

  #add(notice: LateNotice): void {
    const notices = this.#byIntegrator.get(notice.integrator) ?? [];
    this.#byIntegrator.set(notice.integrator, [...notices, notice]);
    this.#last = Math.max(this.#last, notice.number);
  }

  #remove(surplus: readonly LateNotice[]): void {
    const gone = new Set(surplus.map(({ number }) => number));
    for (const integrator of new Set(surplus.map((old) => old.integrator))) {
      const notices = this.#byIntegrator.get(integrator) ?? [];
      this.#byIntegrator.set(
        integrator,
        notices.filter(({ number }) => !gone.has(number)),
      );
    }
  }

  async #change(waitMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    await this.#clock.sleep(waitMs, AbortSignal.any([signal, woken.signal]));
    this.#waiting.delete(wake);
  }
}

/** In the order of their numbers. */
function keyOf({ number }: LateNotice): string {
  return `${PREFIX}${String(number).padStart(15, '0')}`;
}

function encode(notice: LateNotice): Buffer {
  return Buffer.from(JSON.stringify(notice));
}
