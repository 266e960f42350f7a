import type { Content, ContentType, Header } from '@backhaul/envelope';
import type { Clock, ErrorCode, Logger } from '@backhaul/runtime';
import type { Route } from '../api/route.ts';
import type { Bus } from '../bus/bus.ts';
import type { Notifier } from '../notifications/notifications.ts';
import type { Html } from '../portal/html.ts';
import type { Transaction } from '../store/database.ts';
import type { Migration } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

/** Whose data a message is. Rows that a module writes carry it, and the class. */
export interface DataScope {
  readonly customer: string;
  readonly site: string | null;
  readonly instance: string | null;
}

/** A message as it reaches a service module. `content()` parses the body and checks it against its class. */
export interface ArrivedMessage {
  readonly header: Header;
  readonly body: Uint8Array;
  /** wall ms at this application server */
  readonly receivedAt: number;
  readonly scope: DataScope;
  content(): Content;
}

export interface Subscription {
  /** `*`: every class */
  readonly class: string;
  /** every subclass when left out */
  readonly subclass?: string;
  /** every content type when left out */
  readonly contentType?: ContentType;
}

/** Nothing: handled. `refuse`: the sender is told and the message is not stored. `note`: stored with this remark. */
export type HandleResult =
  | undefined
  | { readonly refuse: ErrorCode; readonly detail: string }
  | { readonly note: string };

export interface ModuleContext {
  readonly self: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bus: Bus;
  /** for what people outside should hear of */
  readonly notifier: Notifier;
}

export interface TransferRequest {
  readonly class: string;
  readonly subclass: string;
  /** bytes */
  readonly size: number;
  readonly destinations: readonly string[];
}

/**
 * Code of the application server that acts on messages by class and subclass [DESIGN §8]. What the server itself does
 * with inventory, alarms and status is built on this and nothing else.
 */
export interface ServiceModule {
  readonly name: string;
  readonly subscriptions: readonly Subscription[];
  readonly migrations: readonly Migration[];
  start?(context: ModuleContext): Promise<void>;
  stop?(): Promise<void>;
  /**
   * Called for each message subscribed to, once for each event, in the transaction that stores it; all effects go through
   * `tx`, and what the world is told of them through `tx.afterCommit`. When one throws, or takes too long, everything done
   * for the message is undone and its sender is asked to send it again later; after ten faults the message becomes a dead
   * letter. A module that fails on many different messages in a row is taken out.
   */
  handle?(tx: Transaction, message: ArrivedMessage): Promise<HandleResult>;
  /** Called about once a minute, outside of any message: expiry, overdue marks, pruning of the module's own tables. */
  tick?(tx: Transaction, now: number): Promise<void>;
  /** The wall clock was set by so many ms from `before`: what has not ended yet ends so much later (or earlier). */
  moveTimes?(tx: Transaction, ms: number, before: number): Promise<void>;
  /** Routes of the staff API that belong to the module. */
  readonly routes?: readonly Route[];
  /** A piece of the portal's first page. */
  panel?(queries: ScopedQueries, now: number): Promise<Html>;
  /** May this transfer be made now? Any module may refuse. */
  authorizeTransfer?(request: TransferRequest): { allowed: true } | { allowed: false; reason: string; waitMs: number };
}

/** Passes by everything but what one of the subscriptions matches. */
export function isSubscribed(
  module: ServiceModule,
  header: Pick<Header, 'class' | 'subclass' | 'contentType'>,
): boolean {
  return module.subscriptions.some(
    (wanted) =>
      (wanted.class === '*' || wanted.class === header.class) &&
      (wanted.subclass === undefined || wanted.subclass === header.subclass) &&
      (wanted.contentType === undefined || wanted.contentType === header.contentType),
  );
}

/** What a message is about, for tables kept by support instance: the source itself when it names none. */
export const subjectOf = ({ header }: ArrivedMessage): string => header.instance ?? header.source;

/** The four columns of a row made from a message. */
export function scopeColumnsOf(message: ArrivedMessage): ScopeColumns & { instance: string; class: string } {
  return {
    customer: message.scope.customer,
    site: message.scope.site,
    instance: subjectOf(message),
    class: message.header.class,
  };
}
