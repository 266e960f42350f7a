import type { Lane, Tombstone } from '@backhaul/envelope';
import { BackhaulError, type Clock, newId, type Random, toBackhaulError } from '@backhaul/runtime';
import {
  type Change,
  joinChanges,
  type Numbering,
  type Removed,
  type Spool,
  type SpoolEntry,
  stagedChange,
} from '@backhaul/spool';
import { type Draft, entryOf } from './draft.ts';
import { receiptDrafts, tombstonesOf } from './receipts.ts';
import { WaitingAccounts } from './waiting-accounts.ts';

export interface Placed {
  readonly id: string;
  readonly lane: Lane;
  readonly sequence: number;
}

export interface StagedMessages {
  /** one per draft, in order; a draft that cannot be written is refused alone */
  readonly results: readonly (Placed | BackhaulError)[];
  /** to be committed in this very tick: the numbers are given back otherwise */
  readonly changes: readonly Change[];
}

export interface OutboxOptions {
  /** ID of this component: the source of all it makes */
  readonly self: string;
  readonly numbering: Numbering;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  /** What left the spool undelivered, for the commit that takes it out: its submitters are told there. */
  readonly onRemoved?: (removed: readonly Removed[]) => readonly Change[];
}

interface StageOptions {
  readonly others?: readonly SpoolEntry[];
  /** a draft that cannot be written does not keep the others back */
  readonly alone?: boolean;
  readonly receipts?: boolean;
}

/**
 * Gives what a component says itself an id and a place (epoch, lane, sequence) and puts it into the spool, as changes that
 * the caller commits together with what caused them. Nothing is numbered that is not written, so sequences have no holes.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #accounts: WaitingAccounts;

  constructor(options: OutboxOptions) {
    this.#options = options;
    const { self, numbering, spool } = options;
    this.#accounts = new WaitingAccounts({ self, numbering, spool, newKey: () => `account/${this.newId()}` });
  }

  get epoch(): string {
    return this.#options.numbering.epoch;
  }

  newId(): string {
    return newId(this.#options.clock, this.#options.random);
  }

  /** Each draft alone. Throws BH-E-SPOOL-FULL for all of them; then nothing was numbered. */
  stage(drafts: readonly Draft[], { receipts = false }: { readonly receipts?: boolean } = {}): StagedMessages {
    return this.#stage(drafts, { alone: true, receipts });
  }

  /**
   * All drafts or none, and messages of others with them as one record of each lane. Throws BH-E-SPOOL-FULL, or what is
   * wrong with the first draft that cannot be written; then nothing was numbered. `receipts`: the drafts give an account, of
   * messages or of this component, and may use the room that is kept for that.
   */
  stageAll(
    drafts: readonly Draft[],
    others: readonly SpoolEntry[] = [],
    { receipts = false }: { readonly receipts?: boolean } = {},
  ): readonly Change[] {
    return this.#stage(drafts, { others, receipts }).changes;
  }

  /** Tombstones in place of what left undelivered, for the commit that removes it [DESIGN §4.4]; a full spool has room. */
  receipts(removed: readonly Removed[]): Change {
    const next = new Map<Lane, number>();
    const told = this.#account(removed, next);
    return joinChanges([...this.#numberAll(next), ...told]);
  }

  /** The same for what leaves its place and is not lost: nobody but the ledger is told. */
  account(tombstones: readonly Tombstone[]): Change {
    const next = new Map<Lane, number>();
    const told = this.#tell(tombstones, next);
    return joinChanges([...this.#numberAll(next), ...told]);
  }

  /** Numbers are given last: whatever is refused before has cost none, so the caller may try again in the same tick. */
  #stage(drafts: readonly Draft[], { others = [], alone = false, receipts = false }: StageOptions): StagedMessages {
    const next = new Map<Lane, number>();
    const entries = [...others];
    const results = drafts.map((draft) => this.#write(draft, next, entries, alone));
    if (entries.length === 0) return { results, changes: [] };
    const stored = this.#options.spool.stage(entries, { receipts });
    const told = this.#account(stored.removed, next);
    return { results, changes: [...this.#numberAll(next), stored, ...told] };
  }

  #write(draft: Draft, next: Map<Lane, number>, entries: SpoolEntry[], alone: boolean): Placed | BackhaulError {
    const sequence = next.get(draft.lane) ?? this.#options.numbering.last(draft.lane) + 1;
    try {
      const entry = this.#entry(draft, sequence);
      entries.push(entry);
      next.set(draft.lane, sequence + 1);
      return { id: entry.id, lane: draft.lane, sequence };
    } catch (error) {
      if (!alone) throw error;
      return toBackhaulError(error);
    }
  }

  #account(removed: readonly Removed[], next: Map<Lane, number>): readonly Change[] {
    if (removed.length === 0) return [];
    const told = this.#tell(tombstonesOf(removed, this.#options.self), next);
    return [...told, ...(this.#options.onRemoved?.(removed) ?? [])];
  }

  /** What had to leave the spool is told in the same changes, in its place: that needs no room, so nobody else goes for it. */
  #tell(told: readonly Tombstone[], next: Map<Lane, number>): readonly Change[] {
    const entries: SpoolEntry[] = [];
    const byLane = Map.groupBy(told, ({ lane }) => lane);
    const accounts = [...byLane].map(([lane, tombstones]) => this.#accounts.compose(lane, tombstones));
    for (const { tombstones, key } of accounts) {
      const from = entries.length;
      for (const draft of receiptDrafts(tombstones)) this.#write(draft, next, entries, true);
      if (key !== undefined)
        for (let at = from; at < entries.length; at += 1) entries[at] = { ...entries[at]!, supersedeKey: key };
    }
    if (entries.length === 0) return [];
    const stored = this.#options.spool.stage(entries, { inPlace: true });
    const remembered = stagedChange(
      () => stored.ops,
      () => {
        stored.applied();
        this.#accounts.written(accounts, entries);
      },
    );
    return [remembered];
  }

  #numberAll(next: ReadonlyMap<Lane, number>): Change[] {
    return [...next].map(([lane, end]) => this.#number(lane, end));
  }

  #number(lane: Lane, end: number): Change {
    const { numbering } = this.#options;
    const expected = numbering.last(lane) + 1;
    const { first, change } = numbering.stage(lane, end - expected);
    if (first !== expected) throw new BackhaulError('BH-E-INTERNAL', { detail: 'numbers were given twice' });
    return change;
  }

  #entry(draft: Draft, sequence: number): SpoolEntry {
    const { self, numbering, clock } = this.#options;
    const { lane, id = this.newId() } = draft;
    return entryOf(draft, { id, source: self, epoch: numbering.epoch, lane, sequence, now: clock.now() });
  }
}
