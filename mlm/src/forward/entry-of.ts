import type { SpoolEntry } from '@backhaul/spool';
import type { Batch, Item } from './batch.ts';

/** The bytes as they came [E5]; this hop's routing element is added when it is sent on. Made once for each message. */
export function entryOf(item: Item, batch: Batch): SpoolEntry {
  item.entry ??= newEntry(item, batch);
  return item.entry;
}

function newEntry({ message: { header, headerBytes, body }, expiresAt }: Item, { peer, now }: Batch): SpoolEntry {
  const { supersedeKey } = header.qos;
  return {
    id: header.id,
    source: header.source,
    epoch: header.epoch,
    lane: header.lane,
    sequence: header.sequence,
    class: header.class,
    subclass: header.subclass,
    header: headerBytes,
    body,
    receivedAt: now,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    persistent: header.qos.persistent,
    via: peer.identity.id,
    ...(supersedeKey === undefined ? {} : { supersedeKey }),
  };
}
