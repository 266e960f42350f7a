import type { Component } from '@backhaul/runtime';
import { stopped } from './level-errors.ts';

export type Op =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string };

/**
 * A part of one atomic commit. A core *stages* a change and says which operations to write; reading `ops` submits it, so that
 * a change that is dropped unread has cost nothing. Stage and commit in one tick: then commits happen in the order of
 * submission, and no crash leaves a hole. `applied` makes the change visible after the commit is on disk. When the commit
 * fails nothing was applied, nor when one of its changes throws: the store stops, reopens, and every core loads again from what is on disk.
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

/** What an opening found to be missing or damaged; also logged as an error. Never empty silently [S7]. */
export interface StoreFinding {
  readonly code: 'BH-E-SPOOL-GAP' | 'BH-E-SPOOL-DAMAGED';
  readonly detail: string;
}

/** A durable key-value store with the guards of DESIGN §4. Keys are ASCII; values are checksummed by the store. */
export interface Store extends Component {
  readonly state: 'closed' | 'open' | 'recovering' | 'failed';
  /** False while disk space is short: what makes room still commits, new messages are refused before they are accepted. */
  readonly accepting: boolean;
  /** A value that fails its checksum is reported as BH-E-SPOOL-DAMAGED, set aside, and read as undefined. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Blocks; for the rare paths that must decide in one step (expiry, eviction). */
  getSync(key: string): Uint8Array | undefined;
  /** In key order, keys that start with `prefix`; `after` is exclusive. A damaged value is skipped, reported and set aside. */
  scan(prefix: string, options?: { after?: string; limit?: number }): AsyncIterable<readonly [string, Uint8Array]>;
  /**
   * Resolves only after one synced write that holds all operations. Group commit: the next write starts when the last one
   * ends, with everything that has arrived by then, in the order of the calls. Without operations it resolves when all
   * earlier commits are on disk (what was seen in memory may be answered then). Rejects with BH-E-SPOOL-STOPPED.
   */
  commit(ops: readonly Op[]): Promise<void>;
  /**
   * For whoever finds that memory is ahead of the disk, or cannot be right: nothing more is taken, the store is closed, reopened
   * and verified, and every core loads again, as after a write error. Of no effect unless it is open.
   */
  reopen(cause: unknown): void;
  /** Called after the store was reopened and verified; every core must load again before `commit` is allowed. */
  onReopened(listener: () => Promise<void>): void;
  /** Called once when reopening was given up; the role ends with exit code 74. */
  onFailed(listener: (error: unknown) => void): void;
  /** The cores tell here what their load found missing: logged as an error and kept among the findings. */
  report(finding: StoreFinding): void;
  findings(): readonly StoreFinding[];
  stats(): StoreStats;
}

/**
 * All changes in one commit, then all made visible, in order. A store that does not take them is asked before they are submitted:
 * while it recovers, some cores have loaded again already, and what they submit then would never be undone.
 */
export async function commitChanges(store: Store, changes: readonly Change[]): Promise<void> {
  if (store.state !== 'open') throw stopped();
  await store.commit(submitted(store, changes));
  for (const change of changes) change.applied();
}

/** Before one that throws there may be others that memory counts already, and that no disk will ever have: all is loaded again. */
function submitted(store: Store, changes: readonly Change[]): readonly Op[] {
  try {
    return changes.flatMap((change) => change.ops);
  } catch (error) {
    store.reopen(error);
    throw error;
  }
}

/** A change whose operations are made when it is submitted, once. */
export function stagedChange(submit: () => readonly Op[], applied: () => void = () => {}): Change {
  let ops: readonly Op[] | undefined;
  return {
    get ops() {
      return (ops ??= submit());
    },
    applied,
  };
}

/** Several changes as one. */
export function joinChanges(changes: readonly Change[]): Change {
  return stagedChange(
    () => changes.flatMap(({ ops }) => ops),
    () => {
      for (const change of changes) change.applied();
    },
  );
}
