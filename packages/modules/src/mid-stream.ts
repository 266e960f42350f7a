import type { Content, Header, Message } from '@backhaul/envelope';
import type { Clock, Logger } from '@backhaul/runtime';

/** A message as a mid-stream module sees it. `content()` parses the body; nobody does so unasked [E5]. */
export interface ModuleMessage extends Message {
  /** Parsed once, on the first call. Throws BH-E-XML-* when the body cannot be read. */
  content(): Content;
}

/** What a mid-stream module wants done with a message. */
export type Action =
  | { readonly do: 'pass' }
  /** Dropped with a receipt that names the rule. */
  | { readonly do: 'drop'; readonly rule: string }
  /** Kept for the aggregate of this key; durable before the sender is answered [A1]. */
  | {
      readonly do: 'hold';
      readonly key: string;
      readonly rule: string;
      readonly count: number;
      readonly windowMs: number;
    }
  /** Refused before it is accepted, with a wait. */
  | { readonly do: 'refuse'; readonly code: 'BH-E-THROTTLE' | 'BH-E-MODULE'; readonly waitMs: number };

export const PASS: Action = Object.freeze({ do: 'pass' });

export interface ModuleContext {
  /** id of the component the module runs in */
  readonly self: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * What a module wants to see. Without `class` it is every class but those of infrastructure administration (receipts,
 * commands, software), which a module sees only when it names the class.
 */
export interface Subscription {
  readonly class?: string;
  readonly subclass?: string;
}

/** One content made out of several. Its `data` is given the list of its inputs by the MLM [A2]. */
export interface Merged {
  readonly header: Pick<Header, 'classification' | 'class' | 'subclass' | 'contentType'>;
  readonly content: Content;
}

/** A message asks before bytes move [DESIGN §6]. `size` in bytes. */
export interface TransferRequest {
  readonly class: string;
  readonly subclass: string;
  readonly size: number;
  readonly direction: 'up' | 'down';
}

export type TransferAnswer =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: string; readonly waitMs: number };

/** Code that acts on messages on their way through an MLM. Synchronous: a module that needs to wait holds. */
export interface MidStreamModule {
  /** unique in one MLM; it stands in receipts and metrics */
  readonly name: string;
  /** `up` is asked only for these; read once, after `start` */
  readonly subscriptions: readonly Subscription[];
  start(context: ModuleContext): Promise<void>;
  stop(): Promise<void>;
  /** Called for each upward message it subscribes to, in lane order. */
  up?(message: ModuleMessage): Action;
  /** Makes one content out of the held ones: n → 1. Called with the messages in the order they were held. */
  merge?(key: string, held: readonly ModuleMessage[]): Merged;
  /** May this transfer pass here now? */
  authorizeTransfer?(request: TransferRequest): TransferAnswer;
}
