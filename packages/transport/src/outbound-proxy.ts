import type { Secret } from '@backhaul/runtime';

/** A customer's own HTTP proxy on the way to the parent: CONNECT for https, absolute form for http. */
export interface OutboundProxy {
  /** `http://proxy.example:3128`, without credentials */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
}

/** The value of `Proxy-Authorization`, when there are credentials. */
export function proxyToken(proxy: OutboundProxy): string | undefined {
  if (proxy.username === undefined) return undefined;
  const pair = `${proxy.username}:${proxy.password?.reveal() ?? ''}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}
