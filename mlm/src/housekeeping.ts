import { type Clock, type Component, type Logger, Repeating, SparingLog } from '@backhaul/runtime';
import { commitChanges, type Mailboxes, type Spool, type Store } from '@backhaul/spool';
import type { Outbox } from '@backhaul/transport';
import type { DownMarks } from './back-channel/down-marks.ts';
import { outcomeDraft } from './back-channel/outcomes.ts';

const INTERVAL_MS = 5_000;
/** Rounds of one look: each takes about a thousand, the rest comes with the next look. */
const ROUNDS = 20;

export interface HousekeepingOptions {
  readonly self: string;
  readonly store: Store;
  readonly spool: Spool;
  readonly mailboxes: Mailboxes;
  readonly marks: DownMarks;
  readonly own: Outbox;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Removes what is past its time, with a receipt upward or an outcome for each member, in the commit of the removal. */
export class Housekeeping implements Component {
  readonly name = 'housekeeping';
  readonly #options: HousekeepingOptions;
  readonly #repeating: Repeating;
  readonly #troubles: SparingLog;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    this.#troubles = new SparingLog(options.logger, options.clock);
    this.#repeating = new Repeating(options.clock, INTERVAL_MS, () => this.#tryLook());
  }

  async start(): Promise<void> {
    this.#repeating.start();
  }

  stop(): Promise<void> {
    return this.#repeating.stop();
  }

  /** One look; resolves when what was found is committed. */
  async look(): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) if (!(await this.#expireSpool())) break;
    for (let round = 0; round < ROUNDS; round++) if (!(await this.#expireMailboxes())) break;
    const { store, marks, clock } = this.#options;
    await commitChanges(store, [marks.expire(clock.now())]);
  }

  async #tryLook(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      this.#troubles.log('warn', 'store', { error }, 'what is past its time could not be removed now');
    }
  }

  async #expireSpool(): Promise<boolean> {
    const { store, spool, own, clock } = this.#options;
    const { change, removed } = spool.expire(clock.now());
    if (removed.length === 0) return false;
    await commitChanges(store, [change, own.receipts(removed)]);
    return true;
  }

  /** Several members may have the same message: one outcome speaks for them. */
  async #expireMailboxes(): Promise<boolean> {
    const { store, mailboxes, own, clock } = this.#options;
    const { change, removed } = mailboxes.expire(clock.now());
    if (removed.length === 0) return false;
    const byMessage = Map.groupBy(removed, ({ id }) => id);
    const drafts = [...byMessage].flatMap(([id, references]) =>
      this.#expired(
        id,
        references.map(({ owner }) => owner),
      ),
    );
    await commitChanges(store, [change, ...own.stageAll(drafts)]);
    return true;
  }

  #expired(id: string, members: string[]) {
    const mark = this.#options.marks.find(id);
    if (mark === undefined) return [];
    return [outcomeDraft(mark, { status: 'expired', code: 'BH-E-EXPIRED', text: 'not fetched in time', members })];
  }
}
