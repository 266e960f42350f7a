import type { Lane, SpoolEntry } from './types.ts';

/** A record is one batch of one lane; more than this becomes several records, so that reading one back stays short. */
export const RECORD_LIMITS = { messages: 256, bytes: 1024 * 1024 } as const;

/**
 * id, source, epoch, sequence, class, subclass, received at, expires at (0: never), persistent, header bytes, body bytes, via,
 * supersede key. A row grows at its end only: an older version ignores what it does not know, a newer one reads short rows.
 */
type Row = [
  ...[string, string, string, number, string, string, number, number, 0 | 1, number, number],
  via?: string,
  supersedeKey?: string,
];

/** `metadata length u32 | metadata JSON: one row an entry | header, body, header, body …` */
export function encodeRecord(entries: readonly SpoolEntry[]): Buffer {
  const rows = Buffer.from(JSON.stringify(entries.map(toRow)));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(rows.length);
  return Buffer.concat([length, rows, ...entries.flatMap((entry) => [entry.header, entry.body])]);
}

/** Headers and bodies share memory with the record. */
export function decodeRecord(lane: Lane, record: Uint8Array): SpoolEntry[] {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  let at = 4 + bytes.readUInt32LE(0);
  const take = (length: number): Buffer => bytes.subarray(at, (at += length));
  const rows = JSON.parse(bytes.toString('utf8', 4, at)) as Row[];
  return rows.map((row) => toEntry(lane, row, take(row[9]), take(row[10])));
}

export function entryBytes(entry: Pick<SpoolEntry, 'header' | 'body'>): number {
  return entry.header.length + entry.body.length;
}

/** Groups of entries, each small enough for one record, in the order given. */
export function splitIntoRecords(entries: readonly SpoolEntry[]): SpoolEntry[][] {
  const groups: SpoolEntry[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const last = groups.at(-1);
    bytes += entryBytes(entry);
    if (last !== undefined && last.length < RECORD_LIMITS.messages && bytes <= RECORD_LIMITS.bytes) last.push(entry);
    else {
      groups.push([entry]);
      bytes = entryBytes(entry);
    }
  }
  return groups;
}

function toRow(entry: SpoolEntry): Row {
  const { id, source, epoch, sequence, receivedAt, expiresAt, persistent, header, body, via, supersedeKey } = entry;
  return [
    id,
    source,
    epoch,
    sequence,
    entry.class,
    entry.subclass,
    receivedAt,
    expiresAt ?? 0,
    persistent ? 1 : 0,
    header.length,
    body.length,
    ...(supersedeKey === undefined ? (via === undefined ? [] : [via]) : [via ?? '', supersedeKey]),
  ] as Row;
}

function toEntry(lane: Lane, row: Row, header: Buffer, body: Buffer): SpoolEntry {
  const [id, source, epoch, sequence, className, subclass, receivedAt, expiresAt, persistent, , , via, key] = row;
  return {
    id,
    source,
    epoch,
    lane,
    sequence,
    class: className,
    subclass,
    header,
    body,
    receivedAt,
    ...(expiresAt === 0 ? {} : { expiresAt }),
    persistent: persistent === 1,
    ...(via === undefined || via === '' ? {} : { via }),
    ...(key === undefined ? {} : { supersedeKey: key }),
  };
}
