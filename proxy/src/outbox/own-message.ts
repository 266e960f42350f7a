import { type Content, checkContent, describeClass } from '@backhaul/envelope';
import { type Draft, written } from '@backhaul/transport';

type Extra = Partial<Pick<Draft, 'expiresInMs' | 'inReplyTo' | 'instance' | 'persistent' | 'lane'>>;

/** A message that the proxy itself makes, checked against its class like any other. */
export function ownMessage(cls: string, subclass: string, content: Content, extra: Extra = {}): Draft {
  const { classification, lane } = describeClass(cls, subclass, checkContent(cls, subclass, content));
  return {
    class: cls,
    subclass,
    classification,
    lane,
    content: written(content),
    persistent: true,
    ...extra,
  };
}
