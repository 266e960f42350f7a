import type { Component } from '@backhaul/runtime';

export type Op =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string };

/**
 * A part of one atomic commit. A core *stages* a change: it reserves numbers at once and says which operations to write;
 * `applied` makes the change visible in memory after the commit is on disk. When the commit fails nothing was applied:
 * the store stops, reopens, and every core loads again from what is on disk.
 */
export interface Change {
  readonly ops: readonly Op[];
  applied(): void;
}

export interface StoreStats {
  /** synced batches written */
  readonly syncs: number;
  /** commits asked for; several share one sync */
  readonly commits: number;
  readonly bytesWritten: number;
  readonly recoveries: number;
}

/** A durable key-value store with the guards of DESIGN §4. Keys are ASCII; values are checksummed by the store. */
export interface Store extends Component {
  readonly state: 'closed' | 'open' | 'recovering' | 'failed';
  /** A value that fails its checksum is reported as BH-E-SPOOL-DAMAGED. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** In key order, keys that start with `prefix`; `after` is exclusive. */
  scan(prefix: string, options?: { after?: string; limit?: number }): AsyncIterable<readonly [string, Uint8Array]>;
  /**
   * Resolves only after one synced write that holds all operations. Group commit: the next write starts when the last one
   * ends, with everything that has arrived by then, in the order of the calls. Rejects with BH-E-SPOOL-STOPPED.
   */
  commit(ops: readonly Op[]): Promise<void>;
  /** Called after the store was reopened and verified; every core must load again before `commit` is allowed. */
  onReopened(listener: () => Promise<void>): void;
  stats(): StoreStats;
}

/** All changes in one commit, then all made visible, in order. */
export async function commitChanges(store: Store, changes: readonly Change[]): Promise<void> {
  const ops = changes.flatMap((change) => change.ops);
  if (ops.length > 0) await store.commit(ops);
  for (const change of changes) change.applied();
}
