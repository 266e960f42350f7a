import type { Message } from '@backhaul/envelope';
import type { RelayHandler } from '@backhaul/transport';
import type { Passing, RelayWatch } from '../invariants/relay-watch.ts';

/** A handler with somebody looking over its shoulder: what arrives, and what is handed out of its mailboxes. */
export function watchedHandler(watch: RelayWatch, node: string, handler: RelayHandler): RelayHandler {
  const mailboxes: RelayHandler['mailboxes'] = instead(handler.mailboxes, {
    async acknowledge(owner, epoch, number) {
      await handler.mailboxes.acknowledge(owner, epoch, number);
      watch.acknowledged(node, owner, epoch, number);
    },
    async read(owner, budget) {
      const page = await handler.mailboxes.read(owner, budget);
      watch.reads(node, owner, page.epoch, page.messages);
      return page;
    },
  });
  return instead(handler, {
    mailboxes,
    async accept(peer, messages) {
      if (!watch.isLiar(peer.identity.id)) watch.passes(peer.identity.id, messages.map(passing));
      const verdicts = await handler.accept(peer, messages);
      for (const [index, { code }] of verdicts.entries())
        if (code === 'BH-E-INTERNAL') watch.breach('I11', `${node}: ${messages[index]!.header.id} has no code`);
      return verdicts;
    },
  });
}

export function passing({ header, body }: Pick<Message, 'header' | 'body'>): Passing {
  const { id, source, epoch, lane, sequence } = header;
  return { id, place: { source, epoch, lane, sequence }, body: fingerprint(body) };
}

/** Of the bytes: enough to see any change that a bug makes. */
export function fingerprint(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${bytes.length}:${(hash >>> 0).toString(16)}`;
}

/** The same object, some of it replaced; methods keep their own `this`. */
export function instead<T extends object>(original: T, replaced: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      if (name in replaced) return replaced[name as keyof T];
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
