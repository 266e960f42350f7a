import type { Membership } from '@backhaul/envelope';

/** Names of a network that exists only for measuring: plain HTTP on loopback, nobody is enrolled. */
export const TRUST_DOMAIN = 'bench.test';
export const CUSTOMER = 'cbench000';
export const PARENT = 'provider.a1';
export const GROUP = 'everybody';

export function proxyId(index: number): string {
  return `${CUSTOMER}.p${index + 1}`;
}

/** MLMs in a row, the uppermost first. */
export function mlmId(tier = 0): string {
  return `${CUSTOMER}.m${tier + 1}`;
}

/** Members 0..499 speak from 127.0.0.2, the next 500 from 127.0.0.3 …: a parent takes 1,024 connections of one address. */
export function localAddressOf(member: number): string {
  return `127.0.0.${2 + Math.floor(member / 500)}`;
}

/** What an MLM of a row is told: the MLMs below it, and below the last one these proxies, all in one group. */
export function membershipBelow(tier: number, tiers: number, proxies: number): Membership {
  const about = { customer: CUSTOMER, site: GROUP, state: 'active' } as const;
  const mlms = Array.from({ length: tiers - tier - 1 }, (_, at) => ({
    ...{ id: mlmId(tier + at + 1), kind: 'mlm' as const, parent: mlmId(tier + at), ...about },
  }));
  const members = Array.from({ length: proxies }, (_, at) => proxyId(at));
  const leaves = members.map((id) => ({ id, kind: 'proxy' as const, parent: mlmId(tiers - 1), ...about }));
  return { version: 1, components: [...mlms, ...leaves], groups: { [GROUP]: members } };
}
