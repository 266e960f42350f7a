import { type Content, checkContent, describeClass, writeContent } from '@backhaul/envelope';
import type { Draft } from './outbox.ts';

type Extra = Partial<Pick<Draft, 'expiresInMs' | 'inReplyTo' | 'instance' | 'persistent' | 'lane'>>;

/** A message that the proxy itself makes, checked against its class like any other. */
export function ownMessage(cls: string, subclass: string, content: Content, extra: Extra = {}): Draft {
  const { classification, lane, contentType } = describeClass(cls, subclass, checkContent(cls, subclass, content));
  return {
    class: cls,
    subclass,
    classification,
    contentType,
    lane,
    body: writeContent(content),
    persistent: true,
    ...extra,
  };
}
