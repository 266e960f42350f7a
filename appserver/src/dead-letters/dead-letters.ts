import { readHeader } from '@backhaul/envelope';
import { BackhaulError, type Clock, type Logger } from '@backhaul/runtime';
import type { LedgerWriter } from '../ledger/ledger-writer.ts';
import { Arrival } from '../receiver/arrival.ts';
import type { EventKeys } from '../receiver/event-keys.ts';
import type { MessageWriter } from '../receiver/message-writer.ts';
import type { ModuleHost } from '../service-modules/module-host.ts';
import type { Database, SqlRow, Transaction } from '../store/database.ts';
import type { DeadLetterRow } from '../store/schema.ts';

/** Dead letters that wait for a decision at a time; past either number the oldest are discarded, and it is said so. */
const MAX_WAITING = 10_000;
const MAX_BYTES = 268_435_456;

const COLUMNS = [
  'id', 'source', 'epoch', 'lane', 'sequence', 'subclass', 'contentType', 'madeAt', 'peer', 'module', 'code', 'detail', 'faults', 'firstAt',
  'at', 'bytes', 'state', 'header', 'body', 'customer', 'site', 'instance', 'class',
] as const; // biome-ignore format: one list
const INSERT = `INSERT INTO "deadLetters" (${COLUMNS.map((c) => `"${c}"`).join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`;
const WAITING = `SELECT COUNT(*) AS "messages", COALESCE(SUM("bytes"), 0) AS "bytes" FROM "deadLetters" WHERE "state" = 'waiting'`;
const OLDEST = `SELECT "number", "id", "bytes" FROM "deadLetters" WHERE "state" = 'waiting' ORDER BY "number" LIMIT 1`;
const DECIDE = `UPDATE "deadLetters" SET "state" = ?, "decidedAt" = ?, "reason" = ?, "header" = NULL, "body" = NULL WHERE "number" = ?`;
const FAILED_AGAIN = `UPDATE "deadLetters" SET "faults" = "faults" + 1, "module" = ?, "detail" = ?, "at" = ? WHERE "number" = ?`;
const READ = `SELECT * FROM "deadLetters" WHERE "number" = ? AND "state" = 'waiting'`;

export type DeadLetterState = 'waiting' | 'replayed' | 'discarded';

export interface DeadLettersOptions {
  readonly database: Database;
  readonly modules: ModuleHost;
  readonly ledger: LedgerWriter;
  readonly writer: MessageWriter;
  readonly eventKeys: EventKeys;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bounds?: { readonly messages: number; readonly bytes: number };
}

/**
 * Messages that failed here again and again: accepted, out of everybody's way, and kept with their bytes until staff
 * decides. Invariants:
 * - a message is here, or among the messages, never both: each goes with its mark in the ledger in one commit
 * - what was decided, when and why stays (without the bytes) until retention removes it
 */
export class DeadLetters {
  readonly options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.options = options;
  }

  /** In the transaction that marks the messages as seen. */
  async add(tx: Transaction, peer: string, arrivals: readonly Arrival[]): Promise<void> {
    if (arrivals.length === 0) return;
    await tx.run(
      INSERT,
      arrivals.map((arrival) => rowOf(arrival, peer)),
    );
    await this.#makeRoom(tx, arrivals[0]!.receivedAt);
  }

  /**
   * The message goes to the service modules again; when they take it, it is stored and counts as delivered, in one
   * commit. @throws BH-E-NOT-FOUND, BH-E-MODULE when a module fails again, and what a module refuses it with
   */
  async replay(number: number): Promise<{ id: string; outcome: 'delivered' | 'duplicate' }> {
    const { database, clock } = this.options;
    const result = await database.transaction(async (tx) => {
      const letter = await read(tx, number);
      const arrival = arrivalOf(letter, clock.now());
      const failure = await tx.savepoint(() => this.#deliver(tx, letter, arrival)).catch(asFailure);
      if (failure) await tx.run(FAILED_AGAIN, [[letter.module, failure.detail ?? failure.code, clock.now(), number]]);
      else await tx.run(DECIDE, [['replayed', clock.now(), null, number]]);
      return { id: letter.id, failure, isDuplicate: arrival.aside !== undefined };
    });
    if (result.failure) throw result.failure;
    return { id: result.id, outcome: result.isDuplicate ? 'duplicate' : 'delivered' };
  }

  /** Gives a message up. @throws BH-E-NOT-FOUND */
  async discard(number: number, reason: string): Promise<{ id: string }> {
    const { database, clock, logger } = this.options;
    const { id } = await database.transaction(async (tx) => {
      const letter = await read(tx, number);
      await tx.run(DECIDE, [['discarded', clock.now(), reason, number]]);
      return letter;
    });
    logger.warn({ number, id, reason }, 'a dead letter was discarded by staff');
    return { id };
  }

  async #deliver(tx: Transaction, letter: DeadLetterRow, arrival: Arrival): Promise<void> {
    const { modules, eventKeys, writer, ledger } = this.options;
    const first = await eventKeys.find(tx, arrival);
    if (first !== undefined) {
      arrival.setAside({ kind: 'duplicate', of: first });
      return ledger.settleAside(tx, [arrival]);
    }
    const outcome = await modules.dispatch(tx, arrival);
    if (outcome && 'detail' in outcome)
      throw new BackhaulError('BH-E-MODULE', { detail: `${outcome.module}: ${outcome.detail}` });
    const { verdict } = arrival;
    if (verdict) throw new BackhaulError(verdict.code as 'BH-E-MODULE', { detail: verdict.detail ?? '' });
    await eventKeys.keep(tx, arrival);
    await writer.write(tx, letter.peer, [arrival]);
    await ledger.settleDelivered(tx, [arrival]);
  }

  async #makeRoom(tx: Transaction, now: number): Promise<void> {
    const { messages = MAX_WAITING, bytes = MAX_BYTES } = this.options.bounds ?? {};
    const [waiting] = await tx.all<{ messages: number; bytes: number }>(WAITING, []);
    let over = { messages: waiting!.messages - messages, bytes: waiting!.bytes - bytes };
    while (over.messages > 0 || over.bytes > 0) {
      const [oldest] = await tx.all<{ number: number; id: string; bytes: number }>(OLDEST, []);
      if (!oldest) return;
      await tx.run(DECIDE, [['discarded', now, 'no room: it was the oldest', oldest.number]]);
      tx.afterCommit(() => this.options.logger.error({ id: oldest.id }, 'the oldest dead letter made room'));
      over = { messages: over.messages - 1, bytes: over.bytes - oldest.bytes };
    }
  }
}

function rowOf({ header: h, scope, receivedAt, headerBytes, body, aside }: Arrival, peer: string): SqlRow {
  if (aside?.kind !== 'dead-letter') throw new Error('not a dead letter');
  const { module, code, detail, faults, firstAt } = aside;
  return [
    h.id, h.source, h.epoch, h.lane, h.sequence, h.subclass, h.contentType, h.madeAt, peer, module, code, detail, faults, firstAt,
    receivedAt, headerBytes.byteLength + body.byteLength, 'waiting', headerBytes, body, scope.customer, scope.site, scope.instance, h.class,
  ]; // biome-ignore format: in the order of COLUMNS
}

async function read(tx: Transaction, number: number): Promise<DeadLetterRow> {
  const [row] = await tx.all<DeadLetterRow>(READ, [number]);
  if (!row) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `dead letter ${number}` });
  return row;
}

function arrivalOf({ header, body, customer, site, instance }: DeadLetterRow, now: number): Arrival {
  const headerBytes = header!;
  const arrival = new Arrival({ header: readHeader(headerBytes), headerBytes, body: body! }, now);
  arrival.scope = { customer, site, instance };
  return arrival;
}

/** What is said to staff; anything but a coded refusal goes on. */
function asFailure(error: unknown): BackhaulError {
  if (error instanceof BackhaulError && error.code !== 'BH-E-SPOOL-STOPPED') return error;
  throw error;
}
