import type { Content, Header, Message } from '@backhaul/envelope';
import type { Clock, Logger } from '@backhaul/runtime';

/** A message as a mid-stream module sees it. `content()` parses the body; nobody does so unasked [E5]. */
export interface ModuleMessage extends Message {
  content(): Content;
}

/** What a mid-stream module wants done with a message. */
export type Action =
  | { readonly do: 'pass' }
  /** Dropped with a receipt that names the rule. */
  | { readonly do: 'drop'; readonly rule: string }
  /** Kept for the aggregate of this key; durable before the sender is answered [A1]. */
  | { readonly do: 'hold'; readonly key: string; readonly rule: string; readonly count: number; readonly windowMs: number }
  /** Refused before it is accepted, with a wait. */
  | { readonly do: 'refuse'; readonly code: 'BH-E-THROTTLE' | 'BH-E-MODULE'; readonly waitMs: number };

export interface ModuleContext {
  /** id of the component the module runs in */
  readonly self: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Code that acts on messages on their way through an MLM. Synchronous: a module that needs to wait holds. */
export interface MidStreamModule {
  readonly name: string;
  start(context: ModuleContext): Promise<void>;
  stop(): Promise<void>;
  /** Called for each upward message, in lane order. */
  up?(message: ModuleMessage): Action;
  /** Makes one content out of the held ones: n → 1. Called with the messages in the order they were held. */
  merge?(key: string, held: readonly ModuleMessage[]): { header: Pick<Header, 'classification' | 'class' | 'subclass' | 'contentType'>; content: Content };
  /** May this transfer pass here now? */
  authorizeTransfer?(request: { class: string; subclass: string; size: number; direction: 'up' | 'down' }): { allowed: true } | { allowed: false; reason: string; waitMs: number };
}
