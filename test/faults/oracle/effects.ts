import { DatabaseSync } from 'node:sqlite';
import { type Data, jsonOf, readContent } from '@backhaul/envelope';
import type { Effect, Explain, Place } from '../../invariants/total-queue.ts';
import { contentHash } from '../load/journal.ts';
import { CLASSES } from '../load/messages.ts';

const BUSY_MS = 10_000;

/** What came out at the far end: the application server's rows, read beside it. */
export interface FarEnd {
  readonly effects: readonly Effect[];
  /** answers to commands: the uid is `<command>/<who answered>` */
  readonly answers: readonly Effect[];
  readonly explain: Explain;
  /** places that came out inside an aggregate, once for each time */
  readonly merged: readonly Place[];
  /** members whose command has expired by the application server's own word: `<command>/<member>` */
  readonly expired: readonly string[];
}

/** @param path the database file of an application server, running or not */
export function readFarEnd(path: string): FarEnd {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
  try {
    return {
      effects: readEffects(database),
      answers: readAnswers(database),
      explain: readReceipts(database),
      merged: readMerged(database),
      expired: readExpired(database),
    };
  } finally {
    database.close();
  }
}

function readEffects(database: DatabaseSync): Effect[] {
  const kinds = Object.values(CLASSES);
  const rows = database
    .prepare(
      `SELECT "id", "body" FROM "messages" WHERE "direction" = 'up' AND (${kinds.map(() => '"class" = ? AND "subclass" = ?').join(' OR ')})`,
    )
    .iterate(...kinds.flatMap((kind) => [kind.class, kind.subclass])) as Iterable<{ id: string; body: Uint8Array }>;
  return Array.from(rows, ({ id, body }) => ({ id, ...readBody(body) }));
}

/** What cannot be read has a hash that nobody gave: it is judged as altered. */
function readBody(body: Uint8Array): { uid: string | undefined; sha256: string } {
  try {
    const content = readContent(body);
    if (content.type !== 'data') return { uid: undefined, sha256: `a ${content.type}` };
    const { uid } = jsonOf(content) as { uid?: string };
    return { uid, sha256: contentHash(content.text) };
  } catch (error) {
    return { uid: undefined, sha256: `unreadable: ${String(error)}` };
  }
}

function readAnswers(database: DatabaseSync): Effect[] {
  const rows = database
    .prepare(
      `SELECT "id", "source", "inReplyTo" FROM "messages" WHERE "direction" = 'up' AND "class" = 'command' AND "inReplyTo" IS NOT NULL`,
    )
    .all() as { id: string; source: string; inReplyTo: string }[];
  return rows.map(({ id, source, inReplyTo }) => ({ id, uid: `${inReplyTo}/${source}`, sha256: inReplyTo }));
}

function readExpired(database: DatabaseSync): string[] {
  const rows = database
    .prepare(`SELECT "commandId", "component" FROM "commandMembers" WHERE "state" = 'expired'`)
    .all() as { commandId: string; component: string }[];
  return rows.map(({ commandId, component }) => `${commandId}/${component}`);
}

/** The list of its inputs that every aggregate carries [A2]. */
function readMerged(database: DatabaseSync): Place[] {
  const { class: name } = CLASSES.sample;
  const rows = database
    .prepare(`SELECT "body" FROM "messages" WHERE "direction" = 'up' AND "class" = ? AND "subclass" = 'summary'`)
    .all(name) as { body: Uint8Array }[];
  return rows.flatMap(({ body }) => {
    const { inputs } = jsonOf(readContent(body) as Data) as { inputs: readonly InputRange[] };
    return inputs.flatMap(({ source, epoch, lane, from, to }) =>
      Array.from({ length: to - from + 1 }, (_, index) => ({ source, epoch, lane, sequence: from + index })),
    );
  });
}

interface InputRange {
  readonly source: string;
  readonly epoch: string;
  readonly lane: number;
  readonly from: number;
  readonly to: number;
}

interface Receipt {
  readonly first: number;
  readonly last: number;
  readonly reason: string;
}

/** Held is not an end; neither is merged: what is merged has to stand in the aggregate. */
const NO_END = new Set(['held', 'merged']);

function readReceipts(database: DatabaseSync): Explain {
  const rows = database
    .prepare(`SELECT "source", "epoch", "lane", "first", "last", "reason" FROM "tombstones" ORDER BY "first"`)
    .all() as unknown as (Receipt & { source: string; epoch: string; lane: number })[];
  const streams = Map.groupBy(rows, ({ source, epoch, lane }) => `${source} ${epoch} ${lane}`);
  return ({ source, epoch, lane, sequence }: Place) => {
    const receipt = find(streams.get(`${source} ${epoch} ${lane}`) ?? [], sequence);
    return receipt === undefined || NO_END.has(receipt.reason) ? undefined : receipt.reason;
  };
}

/** Ranges do not overlap and are in order. */
function find(receipts: readonly Receipt[], sequence: number): Receipt | undefined {
  let [low, high] = [0, receipts.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const receipt = receipts[middle]!;
    if (sequence < receipt.first) high = middle - 1;
    else if (sequence > receipt.last) low = middle + 1;
    else return receipt;
  }
  return undefined;
}
