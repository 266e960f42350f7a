import { type Content, type Header, type Message, readContent } from '@backhaul/envelope';
import type { ModuleMessage } from '@backhaul/modules';

/** A message as a module sees it: the body is parsed when it is asked for, and only once [E5]. */
export class ModuleView implements ModuleMessage {
  readonly header: Header;
  readonly headerBytes: Uint8Array;
  readonly body: Uint8Array;
  #content: Content | undefined;

  constructor({ header, headerBytes, body }: Message) {
    this.header = header;
    this.headerBytes = headerBytes;
    this.body = body;
  }

  content(): Content {
    this.#content ??= readContent(this.body);
    return this.#content;
  }
}
