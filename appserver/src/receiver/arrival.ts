import type { Content, Message, Verdict } from '@backhaul/envelope';
import { readContent } from '@backhaul/envelope';
import type { ErrorCode } from '@backhaul/runtime';
import type { ArrivedMessage, DataScope } from '../service-modules/service-module.ts';

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
  #content: Content | undefined;

  constructor(message: Message, receivedAt: number) {
    this.header = message.header;
    this.headerBytes = message.headerBytes;
    this.body = message.body;
    this.receivedAt = receivedAt;
  }

  /** Parsed at the first call only [E5]. @throws BH-E-XML-…, BH-E-SCHEMA */
  content(): Content {
    this.#content ??= readContent(this.body);
    return this.#content;
  }

  accept(): void {
    this.verdict = { accepted: true };
  }

  refuse(code: ErrorCode, detail: string, retryable = false, waitMs?: number): void {
    this.verdict = { accepted: false, code, detail, retryable, ...(waitMs === undefined ? {} : { waitMs }) };
  }

  addNote(note: string): void {
    this.note = this.note === null ? note : `${this.note}; ${note}`;
  }
}
