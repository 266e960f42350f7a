import { type Clock, type Component, type Logger, Repeating, SparingLog, toBackhaulError } from '@backhaul/runtime';
import type { Spool } from '@backhaul/spool';
import { commitChanges, type Store } from '@backhaul/spool';
import type { Outbox } from '@backhaul/transport';
import type { CommandBoard } from '../downward/command-board.ts';
import { answerDraft } from '../downward/command-handler.ts';
import type { ProxyMetrics } from '../proxy-metrics.ts';

const LOOK_MS = 1_000;

export interface ExpiryOptions {
  readonly spool: Spool;
  readonly outbox: Outbox;
  readonly board: CommandBoard;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ProxyMetrics;
}

/** Takes out what is past its time: messages leave the spool with receipts in their place, commands are answered `expired`. */
export class Expiry implements Component {
  readonly name = 'expiry';
  readonly #options: ExpiryOptions;
  readonly #repeating: Repeating;
  readonly #troubles: SparingLog;

  constructor(options: ExpiryOptions) {
    this.#options = options;
    this.#repeating = new Repeating(options.clock, LOOK_MS, () => this.#look());
    this.#troubles = new SparingLog(options.logger, options.clock);
  }

  async start(): Promise<void> {
    this.#repeating.start();
  }

  stop(): Promise<void> {
    return this.#repeating.stop();
  }

  async #look(): Promise<void> {
    await this.#guarded(() => this.#expireCommands());
    await this.#guarded(async () => {
      while ((await this.#expireMessages()) > 0 && this.#repeating.running);
    });
  }

  /** What fails for one kind does not keep the other. */
  async #guarded(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const { code } = toBackhaulError(error);
      this.#troubles.log('warn', code, { error }, 'what is past its time stays until the store takes changes again');
    }
  }

  async #expireMessages(): Promise<number> {
    const { spool, outbox, store, clock, metrics } = this.#options;
    const { change, removed } = spool.expire(clock.now());
    if (removed.length === 0) return 0;
    await commitChanges(store, [change, outbox.receipts(removed)]);
    metrics.expired.inc({}, removed.length);
    return removed.length;
  }

  async #expireCommands(): Promise<void> {
    const { board, outbox, store } = this.#options;
    const expired = board.expired();
    if (expired.length === 0) return;
    const answer = { status: 'expired', code: 'BH-E-EXPIRED', text: 'no integrator answered in time' } as const;
    const drafts = expired.map((command) => answerDraft({ header: command }, answer));
    const up = outbox.stageAll(drafts, [], { receipts: true });
    await commitChanges(store, [...expired.map((command) => board.stageAnswered(command, answer)), ...up]);
  }
}
