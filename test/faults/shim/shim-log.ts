/** The kinds of `fi.c`, in its order. */
const KINDS = ['', 'open', 'write', 'sync', 'rename', 'unlink', 'truncate', 'mkdir', 'read', 'say'] as const;
const HEAD_BYTES = 20;
const NOT_SYNCED = 1;
const NOT_DONE = 2;

/** One operation, as the process saw it end. */
export interface LoggedOp {
  /** `open`: the file was made or emptied. `say`: something was written to standard output */
  readonly kind: Exclude<(typeof KINDS)[number], ''>;
  readonly path: string;
  /** of a rename: the new name */
  readonly to: string;
  /** of a write; of a truncate the new length */
  readonly offset: number;
  readonly data: Buffer;
  /** a sync that failed or was left out */
  readonly notSynced: boolean;
}

/** Reads what FI_LOG recorded; the last record may be cut. Operations that failed without effect are left out. */
export function readShimLog(log: Buffer): LoggedOp[] {
  const ops: LoggedOp[] = [];
  for (let at = 0; at + HEAD_BYTES <= log.length; ) {
    const flags = log.readUInt8(at + 1);
    const [pathBytes, toBytes, dataBytes] = [
      log.readUInt16LE(at + 2),
      log.readUInt16LE(at + 4),
      log.readUInt32LE(at + 16),
    ];
    const head = { kind: KINDS[log.readUInt8(at)], offset: Number(log.readBigUInt64LE(at + 8)) };
    const path = at + HEAD_BYTES;
    const to = path + pathBytes;
    const data = to + toBytes;
    at = data + dataBytes;
    if (at > log.length || head.kind === undefined || head.kind === '') break;
    if (flags & NOT_DONE) continue;
    ops.push({
      kind: head.kind,
      offset: head.offset,
      path: log.toString('utf8', path, to),
      to: log.toString('utf8', to, data),
      data: log.subarray(data, at),
      notSynced: (flags & NOT_SYNCED) !== 0,
    });
  }
  return ops;
}
