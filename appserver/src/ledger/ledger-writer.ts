import type { Tombstone } from '@backhaul/envelope';
import { PROVIDER } from '@backhaul/identity';
import type { ComponentTree } from '../directory/component-tree.ts';
import type { Arrival } from '../receiver/arrival.ts';
import type { Owner, SeenChanges, Stream } from '../receiver/seen.ts';
import type { SqlRow, Transaction } from '../store/database.ts';
import type { TombstoneRow } from '../store/schema.ts';
import { bury, type TombstoneChange, type TombstoneRange, unbury } from './tombstone-ranges.ts';

const OF_STREAM = `SELECT * FROM "tombstones" WHERE "source" = ? AND "epoch" = ? AND "lane" = ?`;
/** Ranges do not overlap [L3]: those that begin inside, and the one before. Never a walk over the stream [T-A35]. */
const BEGIN_INSIDE = `${OF_STREAM} AND "first" > ? AND "first" <= ?`;
const BEFORE = `${OF_STREAM} AND "first" <= ? ORDER BY "first" DESC LIMIT 1`;
const DELETE = `DELETE FROM "tombstones" WHERE "source" = ? AND "epoch" = ? AND "lane" = ? AND "first" = ?`;
const INSERT = `INSERT INTO "tombstones" ("source", "epoch", "lane", "first", "last", "reason", "rule", "aggregate", "at", "recordedAt",
  "customer", "site", "instance", "class") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)`;
const HAS_MESSAGE = `SELECT 1 FROM "messages" WHERE "id" = ? AND "source" = ? LIMIT 1`;
/** Only who holds can merge: the aggregate's source is the hop that wrote the receipt. */
const MERGE = `UPDATE "tombstones" SET "reason" = 'merged' WHERE "aggregate" = ? AND "at" = ? AND "reason" = 'held'`;

/** The writing side of the ledger: what became of the sequences that did not arrive as they were sent [DESIGN §4.4]. */
export class LedgerWriter {
  readonly #tree: () => ComponentTree;

  constructor(tree: () => ComponentTree) {
    this.#tree = tree;
  }

  /** Takes one receipt; afterwards nobody waits for these sequences. */
  async bury(tx: Transaction, seen: SeenChanges, tombstone: Tombstone, now: number): Promise<void> {
    const range = await this.#asRange(tx, tombstone);
    const known = await overlapping(tx, tombstone, range.first, range.last);
    await this.#write(tx, tombstone, bury(known, seen.intervals(tombstone), range), now);
    const hearing = { owner: this.#owner(tombstone.source), direct: false, at: now };
    await seen.add(tx, tombstone, range.first, range.last, hearing);
  }

  /**
   * Does a receipt stand in the place of this sequence? Then the message itself is new here; not so when it was taken and
   * set aside here.
   */
  async isBuried(tx: Transaction, stream: Stream, sequence: number): Promise<boolean> {
    const [range] = await overlapping(tx, stream, sequence, sequence);
    return range !== undefined && range.at !== this.#tree().self;
  }

  /** Messages that arrive after their own receipt count as delivered; aggregates turn what they hold into merged. */
  async settleArrived(tx: Transaction, seen: SeenChanges, arrivals: readonly Arrival[]): Promise<void> {
    await this.settleDelivered(
      tx,
      arrivals.filter(({ header }) => seen.has(header, header.sequence)),
    );
    for (const { header } of arrivals)
      if (this.#tree().get(header.source)?.kind === 'mlm') await tx.run(MERGE, [[header.id, header.source]]);
  }

  /** Nothing stands in their place any more. */
  async settleDelivered(tx: Transaction, arrivals: readonly Arrival[]): Promise<void> {
    for (const { header, receivedAt } of arrivals) {
      const known = await overlapping(tx, header, header.sequence, header.sequence);
      await this.#write(tx, header, unbury(known, header.sequence), receivedAt);
    }
  }

  /** Accepted here, and not among the messages: what this application server says stands in their place. */
  async settleAside(tx: Transaction, arrivals: readonly Arrival[]): Promise<void> {
    await this.settleDelivered(tx, arrivals);
    for (const { header, receivedAt, aside } of arrivals) {
      if (!aside) continue;
      const place = { first: header.sequence, last: header.sequence, at: this.#tree().self, reason: aside.kind };
      const why =
        aside.kind === 'duplicate' ? { rule: null, aggregate: aside.of } : { rule: aside.module, aggregate: null };
      await this.#write(tx, header, { removed: [], added: [{ ...place, ...why }] }, receivedAt);
    }
  }

  #owner(source: string): Owner {
    return this.#tree().get(source) ?? { customer: PROVIDER, site: null };
  }

  /** What is held by an aggregate that is here already is merged. */
  async #asRange(tx: Transaction, { from, to, reason, rule, aggregate, at }: Tombstone): Promise<TombstoneRange> {
    const merged =
      reason === 'held' && aggregate !== undefined && (await tx.all(HAS_MESSAGE, [aggregate, at])).length > 0;
    return {
      first: from,
      last: to,
      reason: merged ? 'merged' : reason,
      rule: rule ?? null,
      aggregate: aggregate ?? null,
      at,
    };
  }

  async #write(tx: Transaction, stream: Stream, { removed, added }: TombstoneChange, now: number): Promise<void> {
    const { source, epoch, lane } = stream;
    const { customer, site } = this.#owner(source);
    if (removed.length > 0)
      await tx.run(
        DELETE,
        removed.map(({ first }) => [source, epoch, lane, first]),
      );
    const row = (r: TombstoneRange): SqlRow => [
      source, epoch, lane, r.first, r.last, r.reason, r.rule, r.aggregate, r.at, now, customer, site,
    ]; // biome-ignore format: in the order of INSERT
    if (added.length > 0) await tx.run(INSERT, added.map(row));
  }
}

async function overlapping(
  tx: Transaction,
  { source, epoch, lane }: Stream,
  first: number,
  last: number,
): Promise<TombstoneRange[]> {
  const before = await tx.all<TombstoneRow>(BEFORE, [source, epoch, lane, first]);
  const inside = last > first ? await tx.all<TombstoneRow>(BEGIN_INSIDE, [source, epoch, lane, first, last]) : [];
  const rows = [...before.filter((row) => row.last >= first), ...inside];
  return rows.map(
    ({ first, last, reason, rule, aggregate, at }) => ({ first, last, reason, rule, aggregate, at }) as TombstoneRange,
  );
}
