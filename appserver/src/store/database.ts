import type { Component } from '@backhaul/runtime';
import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export type SqlValue = string | number | null | Uint8Array;
export type SqlRow = readonly SqlValue[];

/**
 * An open transaction. Everything written through it is on disk when `Database.transaction` resolves, or none of it.
 * `db` speaks Kysely; `run` and `all` are for the hot path: SQL text with `?`, prepared once.
 */
export interface Transaction {
  readonly db: Kysely<Schema>;
  /** Runs one statement for each row of parameters; returns how many rows of the store were changed. */
  run(sql: string, rows: readonly SqlRow[]): Promise<number>;
  all<T>(sql: string, parameters: SqlRow): Promise<T[]>;
  /** When `work` throws, what it wrote is undone, what was written before stays, and the error goes on. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
  /** Called in order after the commit, which stands whatever they throw; never called when the transaction, or the savepoint it was made in, is undone. */
  afterCommit(action: () => void): void;
}

export interface DatabaseStats {
  readonly commits: number;
  readonly rollbacks: number;
  /** false from a write that the disk refused until one succeeds */
  readonly writing: boolean;
  /** bytes of the store's files */
  readonly bytes: number;
}

/** The application server's store. One implementation per database program; all SQL above it is shared. */
export interface Database extends Component {
  /** Committed data only; never waits for a transaction. */
  readonly reader: Kysely<Schema>;
  /** The hot path of reading: SQL text with `?`, prepared once. */
  read<T>(sql: string, parameters: SqlRow): Promise<T[]>;
  /** One at a time, in the order asked for; durable when it resolves. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** A consistent copy while the store is in use; `toPath` must not exist. */
  backup(toPath: string): Promise<void>;
  stats(): DatabaseStats;
  /** Another text when the data lies somewhere else than before: a restored copy shows itself by it. */
  identity(): string;
}
