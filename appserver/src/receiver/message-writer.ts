import type { Header } from '@backhaul/envelope';
import type { DataScope } from '../service-modules/service-module.ts';
import type { SqlRow, Transaction } from '../store/database.ts';

const COLUMNS = [
  'id', 'direction', 'customer', 'site', 'instance', 'class', 'subclass', 'classification', 'contentType', 'source', 'epoch', 'lane',
  'sequence', 'madeAt', 'receivedAt', 'peer', 'eventKey', 'inReplyTo', 'note', 'header', 'body',
] as const; // biome-ignore format: one list

const INSERT = `INSERT INTO "messages" (${COLUMNS.map((c) => `"${c}"`).join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`;
const COUNT = `INSERT INTO "classTotals" ("customer", "site", "class", "subclass", "direction", "instance", "messages", "bytes")
  VALUES (?, ?, ?, ?, ?, NULL, ?, ?) ON CONFLICT ("customer", "site", "class", "subclass", "direction")
  DO UPDATE SET "messages" = "messages" + excluded."messages", "bytes" = "bytes" + excluded."bytes"`;

/** What a row of `messages` is made from; both directions. */
export interface WritableMessage {
  readonly header: Header;
  readonly headerBytes: Uint8Array;
  readonly body: Uint8Array;
  readonly receivedAt: number;
  readonly scope: DataScope;
  readonly note: string | null;
}

/** The hot path of the store: one prepared statement for the rows, one row of totals per class and site. */
export class MessageWriter {
  /** `peer`: who handed it over; this application server itself for downward messages. */
  async write(
    tx: Transaction,
    peer: string,
    messages: readonly WritableMessage[],
    direction: 'up' | 'down' = 'up',
  ): Promise<void> {
    if (messages.length === 0) return;
    await tx.run(
      INSERT,
      messages.map((message) => rowOf(message, peer, direction)),
    );
    await tx.run(COUNT, totals(messages, direction));
  }
}

function rowOf(
  { header: h, scope, receivedAt, note, headerBytes, body }: WritableMessage,
  peer: string,
  direction: string,
): SqlRow {
  return [
    h.id, direction, scope.customer, scope.site, scope.instance, h.class, h.subclass, h.classification, h.contentType, h.source, h.epoch, h.lane,
    h.sequence, h.madeAt, receivedAt, peer, h.eventKey ?? null, h.inReplyTo ?? null, note, headerBytes, body,
  ]; // biome-ignore format: in the order of COLUMNS
}

function totals(messages: readonly WritableMessage[], direction: string): SqlRow[] {
  const counted = new Map<string, { row: SqlRow; messages: number; bytes: number }>();
  for (const { header, headerBytes, body, scope } of messages) {
    const row: SqlRow = [scope.customer, scope.site ?? '', header.class, header.subclass, direction];
    const key = row.join(' ');
    const total = counted.get(key) ?? { row, messages: 0, bytes: 0 };
    total.messages++;
    total.bytes += headerBytes.byteLength + body.byteLength;
    counted.set(key, total);
  }
  return [...counted.values()].map((total) => [...total.row, total.messages, total.bytes]);
}
