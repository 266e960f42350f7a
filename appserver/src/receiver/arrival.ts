import type { Content, Message, Verdict } from '@backhaul/envelope';
import { checkContent, classSchema, readContent } from '@backhaul/envelope';
import { BackhaulError, type ErrorCode } from '@backhaul/runtime';
import type { ArrivedMessage, DataScope } from '../service-modules/service-module.ts';

/** Why an accepted message is not among the messages: its event was told before, or it failed too often. */
export type Aside =
  | { readonly kind: 'duplicate' /** id of the message that told first */; readonly of: string }
  | {
      readonly kind: 'dead-letter';
      readonly module: string;
      readonly code: ErrorCode;
      readonly detail: string;
      readonly faults: number;
      /** wall ms of the first fault */
      readonly firstAt: number;
    };

/**
 * One message on its way through the stages. Without a verdict it travels on; with one, the later stages leave it alone.
 */
export class Arrival implements ArrivedMessage {
  readonly header: Message['header'];
  readonly headerBytes: Uint8Array;
  readonly body: Uint8Array;
  readonly receivedAt: number;
  /** set by checkSource */
  scope: DataScope = { customer: '', site: null, instance: null };
  verdict: Verdict | undefined;
  /** what went wrong on the way although it is stored; for people */
  note: string | null = null;
  /** it will be accepted without being stored as a message */
  aside: Aside | undefined;
  #content: Content | undefined;

  constructor(message: Message, receivedAt: number) {
    this.header = message.header;
    this.headerBytes = message.headerBytes;
    this.body = message.body;
    this.receivedAt = receivedAt;
  }

  /** Parsed at the first call only [E5]. @throws BH-E-XML-…, BH-E-SCHEMA */
  content(): Content {
    this.#content ??= this.#read();
    return this.#content;
  }

  /** A class that only a newer proxy knows is not checked here. */
  #read(): Content {
    const { class: cls, subclass, contentType } = this.header;
    const content = readContent(this.body);
    if (content.type !== contentType) {
      throw new BackhaulError('BH-E-SCHEMA', {
        detail: `content type ${content.type}, the header says ${contentType}`,
      });
    }
    return classSchema(cls, subclass) ? checkContent(cls, subclass, content) : content;
  }

  accept(): void {
    this.verdict = { accepted: true };
  }

  refuse(code: ErrorCode, detail: string, retryable = false, waitMs?: number): void {
    this.verdict = { accepted: false, code, detail, retryable, ...(waitMs === undefined ? {} : { waitMs }) };
  }

  setAside(aside: Aside): void {
    this.aside = aside;
  }

  addNote(note: string): void {
    this.note = this.note === null ? note : `${this.note}; ${note}`;
  }
}
