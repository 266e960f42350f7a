import type { SqlRow, Transaction } from '../store/database.ts';
import type { Arrival } from './arrival.ts';

const FIND = `SELECT "messageId", "instance" FROM "eventKeys"
  WHERE "customer" = ? AND "site" = ? AND "class" = ? AND "subclass" = ? AND "eventKey" = ?`;
const KEEP = `INSERT INTO "eventKeys" ("customer", "site", "class", "subclass", "eventKey", "messageId", "receivedAt", "instance")
  VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ("customer", "site", "class", "subclass", "eventKey") DO NOTHING`;
const HAS_ID = `SELECT 1 FROM "messages" WHERE "id" = ? AND "source" = ? AND "direction" = 'up' LIMIT 1`;

/**
 * Which events have had their effect. The same event comes with another identity through two redundant proxies (their
 * origin event keys are equal), or once more in a new epoch of a source whose store was an older copy (its message id is).
 * Found and kept in the transaction of the effect; for as long as retention keeps event keys.
 */
export class EventKeys {
  /** The id of the message that brought the same event before, or of this one when it was here under another number. */
  async find(tx: Transaction, { header, scope }: Arrival): Promise<string | undefined> {
    if (header.eventKey !== undefined) {
      const [first] = await tx.all<{ messageId: string; instance: string | null }>(FIND, keyOf({ header, scope }));
      if (first && !areOfOneProxy(first.instance, scope.instance)) return first.messageId;
    }
    const known = await tx.all(HAS_ID, [header.id, header.source]);
    return known.length > 0 ? header.id : undefined;
  }

  /** From now on the event of this message is known. */
  async keep(tx: Transaction, { header, scope, receivedAt }: Arrival): Promise<void> {
    if (header.eventKey === undefined) return;
    await tx.run(KEEP, [[...keyOf({ header, scope }), header.id, receivedAt, scope.instance]]);
  }
}

/**
 * Two machines of one proxy never tell the same event: names with slashes in them can make their keys equal, and no
 * integrator takes the events of another by that.
 */
function areOfOneProxy(a: string | null, b: string | null): boolean {
  if (a === null || b === null || a === b) return false;
  return a.slice(0, a.lastIndexOf('.')) === b.slice(0, b.lastIndexOf('.'));
}

function keyOf({ header, scope }: Pick<Arrival, 'header' | 'scope'>): SqlRow {
  return [scope.customer, scope.site ?? '', header.class, header.subclass, header.eventKey!];
}
