import { BackhaulError, base32, type Random } from '@backhaul/runtime';
import { type Identity, KINDS, type Kind } from './component-identity.ts';

/** The provider's own customer ID. */
export const PROVIDER = 'provider';

/** `c` and 8 characters of base 32, or the provider. */
export const CUSTOMER_PATTERN = /^(?:provider|c[0-9a-hjkmnp-tv-z]{8})$/;

/** The letter that a kind has in component IDs: `<customer>.<letter><n>`. */
const LETTERS: Record<Kind, string> = { proxy: 'p', mlm: 'm', appserver: 'a', certs: 'c', staff: 'u' };
const COMPONENT_PATTERN = /^(provider|c[0-9a-hjkmnp-tv-z]{8})\.([pmacu])([1-9][0-9]{0,8})$/;

/** 40 bits of dice; whoever registers it checks that it is new. */
export function newCustomerId(random: Random): string {
  return `c${base32(random.bytes(5))}`;
}

/** `c1a2b3c4d.p2`. Throws BH-E-NAME when a part is not allowed. */
export function componentId(customer: string, kind: Kind, n: number): string {
  const id = `${customer}.${LETTERS[kind]}${n}`;
  if (parseComponentId(id) === undefined) throw new BackhaulError('BH-E-NAME', { detail: `component ID ${id}` });
  return id;
}

/** What a component ID says of its bearer; undefined when it is not one. */
export function parseComponentId(id: string): { customer: string; kind: Kind; n: number } | undefined {
  const match = COMPONENT_PATTERN.exec(id);
  if (match === null) return undefined;
  const kind = KINDS.find((candidate) => LETTERS[candidate] === match[2])!;
  return { customer: match[1]!, kind, n: Number(match[3]) };
}

/** The identity that a component ID stands for in a trust domain. Throws BH-E-NAME. */
export function identityOf(id: string, trustDomain: string): Identity {
  const parsed = parseComponentId(id);
  if (parsed === undefined) throw new BackhaulError('BH-E-NAME', { detail: `${id} is not a component ID` });
  return { trustDomain, customer: parsed.customer, kind: parsed.kind, id };
}

/** True for the ancestor itself and for what is named below it (`c….p1.s7` below `c….p1`); by whole segments. */
export function isAtOrBelow(id: string, ancestor: string): boolean {
  return ancestor !== '' && (id === ancestor || id.startsWith(`${ancestor}.`));
}
