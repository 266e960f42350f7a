import { X509Certificate } from 'node:crypto';
import { certificateIdentity, type Identity, identityOf, loadTlsMaterial, type TlsMaterial } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import type { MlmConfig } from './config.ts';

/** Who this MLM is, and what it shows to others; `plain` where it is not enrolled and everything around it is plain HTTP. */
export interface SelfIdentity {
  readonly identity: Identity;
  readonly material: TlsMaterial | 'plain';
}

/** The certificate says it; the configuration only where there is none. Throws BH-E-ID-MISSING, BH-E-ID-KIND, BH-E-CONFIG. */
export function selfIdentity(config: MlmConfig): SelfIdentity {
  const self = isPlain(config) ? plainIdentity(config) : enrolledIdentity(config);
  if (self.identity.kind !== 'mlm')
    throw new BackhaulError('BH-E-ID-KIND', { detail: `${self.identity.id} is not an MLM` });
  return self;
}

/** Neither side needs a certificate. */
function isPlain({ relay, parents }: MlmConfig): boolean {
  return relay.plain && parents.every(({ url }) => url.startsWith('http:'));
}

function plainIdentity({ identity, trustDomain }: MlmConfig): SelfIdentity {
  if (identity === undefined)
    throw new BackhaulError('BH-E-CONFIG', { detail: 'identity is missing; without TLS nothing else says it' });
  return { identity: identityOf(identity.id, trustDomain), material: 'plain' };
}

function enrolledIdentity({ dataDirectory, trustDomain, identity }: MlmConfig): SelfIdentity {
  const material = loadTlsMaterial(dataDirectory);
  const own = certificateIdentity(new X509Certificate(material.cert).raw, trustDomain, 'client');
  if (identity !== undefined && identity.id !== own.id) {
    throw new BackhaulError('BH-E-CONFIG', { detail: `identity.id is ${identity.id}, the certificate says ${own.id}` });
  }
  return { identity: own, material };
}

/** Towards the parents: plain only when all of them are. */
export function uplinkTls({ material }: SelfIdentity, { parents }: MlmConfig): TlsMaterial | 'plain' {
  return parents.every(({ url }) => url.startsWith('http:')) ? 'plain' : material;
}
