import type { Header } from '../message.ts';

/**
 * When a message that arrives now expires, by this component's clock: what counts is the time left when it left the last
 * hop, because clocks may be wrong [DESIGN §4.6]. Undefined: never.
 */
export function expiryHere(header: Header, now: number): number | undefined {
  const left = header.routing.at(-1)?.left ?? header.qos.timeToLive;
  return left === undefined ? header.qos.expiresAt : now + left;
}
