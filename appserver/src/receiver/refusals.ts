import { isErrorCode, type Logger } from '@backhaul/runtime';
import type { Database, Transaction } from '../store/database.ts';
import type { Arrival } from './arrival.ts';

/** Faults of one message, and it is set aside for staff. */
export const FAULTS_BEFORE_DEAD_LETTER = 10;
/** Wait after the first fault, doubled with each further one: ten faults take about four minutes. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
/** Messages remembered at a time, and those of one transaction; past it the oldest are forgotten, and would begin anew. */
const MAX_REMEMBERED = 10_000;
/** Forgotten beyond that, so that it is done once in a transaction and not for each message. */
const FORGOTTEN = 2_048;

const PUT = `INSERT INTO "refusals" ("source", "epoch", "lane", "sequence", "faults", "module", "code", "detail", "final", "firstAt", "at",
  "customer", "site", "instance", "class") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT ("source", "epoch", "lane", "sequence") DO UPDATE SET "faults" = excluded."faults", "module" = excluded."module",
  "code" = excluded."code", "detail" = excluded."detail", "final" = excluded."final", "at" = excluded."at"`;
const DELETE = 'DELETE FROM "refusals" WHERE "source" = ? AND "epoch" = ? AND "lane" = ? AND "sequence" = ?';

/** Who could not take a message, and what was said. */
export interface Fault {
  /** name of the service module, or `store` */
  readonly module: string;
  readonly detail: string;
}

interface Refusal extends Fault {
  readonly faults: number;
  readonly code: string;
  /** a service module has said no; otherwise something failed, and it may be tried again */
  readonly final: boolean;
  /** wall ms */
  readonly firstAt: number;
  /** monotonic ms of this process; nothing is tried before */
  readonly notBefore: number;
}

/**
 * Messages that were not taken. What a module refused for good is refused again with the same words when it is sent again
 * because the answer was lost. What failed is tried again after a growing wait, and at the tenth fault set aside, so that
 * it blocks nothing. In memory for the good path, which looks only when there is something; written in the transaction.
 */
export class Refusals {
  readonly #logger: Logger;
  readonly #known = new Map<string, Refusal>();
  #trimmedIn: Transaction | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  async load(database: Database): Promise<void> {
    this.#known.clear();
    for (const row of await database.reader.selectFrom('refusals').selectAll().orderBy('at').execute())
      this.#known.set(keyOf(row), { ...row, final: row.final === 1, notBefore: 0 });
  }

  /** The answer that stands; the message is tried when there is none. */
  recall(arrival: Arrival, monotonicNow: number): void {
    if (this.#known.size === 0) return;
    const known = this.#known.get(keyOf(arrival.header));
    if (!known || !isErrorCode(known.code)) return;
    const waitMs = known.notBefore - monotonicNow;
    if (known.final) arrival.refuse(known.code, known.detail);
    else if (waitMs > 0) arrival.refuse(known.code, known.detail, true, waitMs);
  }

  /** A module has said no. */
  async remember(tx: Transaction, arrival: Arrival, module: string): Promise<void> {
    const { code = 'BH-E-MODULE', detail = '' } = arrival.verdict!;
    const { receivedAt: firstAt } = arrival;
    await this.#put(tx, arrival, { module, code, detail, faults: 0, final: true, firstAt, notBefore: 0 });
  }

  /** Something failed on it: it waits, or has failed often enough. */
  async fault(tx: Transaction, arrival: Arrival, { module, detail }: Fault, monotonicNow: number): Promise<void> {
    const before = this.#known.get(keyOf(arrival.header));
    const faults = (before?.faults ?? 0) + 1;
    const firstAt = before?.firstAt ?? arrival.receivedAt;
    const text = `${module}: ${detail}`;
    if (faults >= FAULTS_BEFORE_DEAD_LETTER) {
      this.#logger.error({ id: arrival.header.id, module, detail, faults }, 'a message is set aside as a dead letter');
      return arrival.setAside({ kind: 'dead-letter', module, code: 'BH-E-MODULE', detail, faults, firstAt });
    }
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (faults - 1), LONGEST_WAIT_MS);
    arrival.refuse('BH-E-MODULE', text, true, waitMs);
    const refusal = { module, code: 'BH-E-MODULE', detail: text, faults, final: false, firstAt };
    await this.#put(tx, arrival, { ...refusal, notBefore: monotonicNow + waitMs });
  }

  has({ header }: Arrival): boolean {
    return this.#known.size > 0 && this.#known.has(keyOf(header));
  }

  /** The message is taken, or set aside. */
  async forget(tx: Transaction, { header }: Arrival): Promise<void> {
    const key = keyOf(header);
    if (!this.#known.has(key)) return;
    await tx.run(DELETE, [[header.source, header.epoch, header.lane, header.sequence]]);
    tx.afterCommit(() => this.#known.delete(key));
  }

  async #put(tx: Transaction, arrival: Arrival, refusal: Refusal): Promise<void> {
    const { header: h, scope, receivedAt } = arrival;
    const { faults, module, code, detail, final, firstAt } = refusal;
    await tx.run(PUT, [
      [
        ...[h.source, h.epoch, h.lane, h.sequence, faults, module, code, detail, final ? 1 : 0, firstAt, receivedAt],
        ...[scope.customer, scope.site, scope.instance, h.class],
      ],
    ]);
    const key = keyOf(h);
    await this.#makeRoom(tx);
    tx.afterCommit(() => {
      this.#known.delete(key);
      this.#known.set(key, refusal);
    });
  }

  /** What this transaction adds is known after its commit only. */
  async #makeRoom(tx: Transaction): Promise<void> {
    if (this.#known.size < MAX_REMEMBERED || this.#trimmedIn === tx) return;
    this.#trimmedIn = tx;
    const surplus = this.#known.size - MAX_REMEMBERED + FORGOTTEN;
    await this.#delete(tx, this.#known.keys().take(surplus).map(placeOf).toArray());
  }

  async #delete(tx: Transaction, places: readonly Place[]): Promise<void> {
    await tx.run(
      DELETE,
      places.map(({ source, epoch, lane, sequence }) => [source, epoch, lane, sequence]),
    );
    tx.afterCommit(() => {
      for (const place of places) this.#known.delete(keyOf(place));
    });
  }
}

type Place = { source: string; epoch: string; lane: number; sequence: number };

function placeOf(key: string): Place {
  const [source, epoch, lane, sequence] = key.split(' ');
  return { source: source!, epoch: epoch!, lane: Number(lane), sequence: Number(sequence) };
}

const keyOf = ({ source, epoch, lane, sequence }: Place): string => `${source} ${epoch} ${lane} ${sequence}`;
