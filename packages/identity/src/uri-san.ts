import { BackhaulError } from '@backhaul/runtime';
import type { Identity } from './component-identity.ts';
import { parseComponentId } from './remote-services-id.ts';

/** Lower-case letters, digits, dots, hyphens, underscores; as SPIFFE has it. */
export const TRUST_DOMAIN_PATTERN = /^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/;
const URI_PATTERN = /^spiffe:\/\/([a-z0-9._-]{1,255})\/([a-z0-9]{1,16})\/([a-z]{1,16})\/([a-z0-9.]{1,64})$/;

/** `spiffe://<trust domain>/<customer>/<kind>/<id>` */
export function uriSan(identity: Identity): string {
  return `spiffe://${identity.trustDomain}/${identity.customer}/${identity.kind}/${identity.id}`;
}

/**
 * The identity that a URI names. Customer and kind must be the ones the ID itself says.
 * Throws BH-E-ID-NAME for anything that is not exactly the form of `uriSan`, or of another trust domain.
 */
export function parseUriSan(uri: string, trustDomain: string): Identity {
  const [, domain, customer, kind, id] = URI_PATTERN.exec(uri) ?? [];
  const parsed = id === undefined ? undefined : parseComponentId(id);
  if (parsed === undefined) throw new BackhaulError('BH-E-ID-NAME', { detail: 'the URI is not an identity' });
  if (domain !== trustDomain) throw new BackhaulError('BH-E-ID-NAME', { detail: `not of trust domain ${trustDomain}` });
  if (parsed.customer !== customer || parsed.kind !== kind) {
    throw new BackhaulError('BH-E-ID-NAME', { detail: 'customer and kind do not fit the ID' });
  }
  return { trustDomain, customer, kind: parsed.kind, id: id! };
}

export function sameIdentity(a: Identity, b: Identity): boolean {
  return uriSan(a) === uriSan(b);
}
