import type { Lane, Tombstone } from '@backhaul/envelope';
import type { Numbering, Spool, SpoolEntry } from '@backhaul/spool';
import { inOrder } from './receipts.ts';

/** Tombstones of a receipt that may be taken up by the next one; it is written again with each. */
const TAKEN_UP = 256;

/** What is to be told of one lane; with a key it takes the place of the receipt that waits under that key. */
export interface Account {
  readonly lane: Lane;
  readonly tombstones: readonly Tombstone[];
  readonly key?: string;
}

interface Waiting extends Required<Account> {
  readonly epoch: string;
  readonly sequence: number;
}

export interface WaitingAccountsOptions {
  readonly self: string;
  readonly numbering: Pick<Numbering, 'epoch'>;
  readonly spool: Pick<Spool, 'replaceable'>;
  /** one that was never used */
  readonly newKey: () => string;
}

/**
 * Receipts that still wait in the spool: the next one of the lane takes up what they tell, and them with it, so that a component whose
 * parent is away holds one receipt a lane and not one for each heartbeat that was replaced. The key is for this spool alone, never in
 * the header: further up a newer receipt does not tell what an older one told. Known in memory only; after a restart a new key begins,
 * so nothing is replaced whose content is not known.
 */
export class WaitingAccounts {
  readonly #options: WaitingAccountsOptions;
  readonly #waiting = new Map<Lane, Waiting>();

  constructor(options: WaitingAccountsOptions) {
    this.#options = options;
  }

  compose(lane: Lane, tombstones: readonly Tombstone[]): Account {
    const before = this.#stillWaiting(lane);
    if (before !== undefined) {
      const all = inOrder([...before.tombstones, this.#replaced(before), ...tombstones]);
      if (all.length <= TAKEN_UP) return { lane, tombstones: all, key: before.key };
    }
    return tombstones.length <= TAKEN_UP ? { lane, tombstones, key: this.#options.newKey() } : { lane, tombstones };
  }

  /** These accounts are on disk, as these entries. */
  written(accounts: readonly Account[], entries: readonly SpoolEntry[]): void {
    for (const { lane, tombstones, key } of accounts) {
      const entry = entries.find((one) => key !== undefined && one.supersedeKey === key);
      if (key === undefined || entry === undefined) this.#waiting.delete(lane);
      else this.#waiting.set(lane, { lane, tombstones, key, epoch: entry.epoch, sequence: entry.sequence });
    }
  }

  /** The receipt of a lane, when it alone stands under its key, on disk and not in flight. */
  #stillWaiting(lane: Lane): Waiting | undefined {
    const { self, numbering, spool } = this.#options;
    const waiting = this.#waiting.get(lane);
    if (waiting === undefined || waiting.epoch !== numbering.epoch) return undefined;
    const replaceable = spool.replaceable({ source: self, lane, supersedeKey: waiting.key });
    return replaceable.length === 1 && replaceable[0] === waiting.sequence ? waiting : undefined;
  }

  #replaced({ epoch, lane, sequence }: Waiting): Tombstone {
    const { self } = this.#options;
    return { source: self, epoch, lane, from: sequence, to: sequence, reason: 'superseded', at: self };
  }
}
