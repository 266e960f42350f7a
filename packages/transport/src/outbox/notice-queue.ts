import type { NoticeId } from '@backhaul/envelope';
import { type Clock, type Component, Repeating } from '@backhaul/runtime';
import type { Heartbeat, Notice } from './heartbeat.ts';

/** After a notice that the store did not take. */
const AGAIN_MS = 30_000;
/** Notices that wait for the store; past it the oldest goes: it is in the log. */
const MAX_WAITING = 64;

export interface NoticeQueueOptions {
  readonly notify: Heartbeat['notify'];
  readonly clock: Clock;
}

/**
 * Notices of what happens once, said again until they are kept: a store that takes nothing just then, which may be what they are
 * about, loses none. Nobody waits for it. Memory only: what is not kept when the process ends is in its log.
 */
export class NoticeQueue implements Component {
  readonly name = 'notice queue';
  readonly #options: NoticeQueueOptions;
  readonly #looks: Repeating;
  readonly #waiting: { readonly id: NoticeId; readonly notice: Notice }[] = [];
  #telling = false;

  constructor(options: NoticeQueueOptions) {
    this.#options = options;
    this.#looks = new Repeating(options.clock, AGAIN_MS, async () => void this.#tell());
  }

  async start(): Promise<void> {
    this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  say(id: NoticeId, notice: Notice): void {
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push({ id, notice: { occurredAt: this.#options.clock.now(), ...notice } });
    void this.#tell();
  }

  /** In order, one after the other; the first that is not kept ends it for now. */
  async #tell(): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!(await this.#options.notify(next.id, next.notice))) break;
      if (this.#waiting[0] === next) this.#waiting.shift(); // or the bound has taken it
    }
    this.#telling = false;
  }
}
