import type { Kind } from '@backhaul/identity';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Certificates start this much earlier than now, for receivers whose clock is behind. */
export const BACKDATE_MS = HOUR_MS;

/** Lives of the authority's own certificates, in days. */
export const ROOT_DAYS = 20 * 365;
export const ISSUING_DAYS = 5 * 365;

export const AUTHORITY_KEY_BITS = 3072;

/** Whom a component of this kind may be on a TLS connection. A proxy never listens. */
const SERVERS: readonly Kind[] = ['mlm', 'appserver', 'certs'];

export const AUTHORITY_KEY_USAGE = { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true };
export const COMPONENT_KEY_USAGE = { name: 'keyUsage', critical: true, digitalSignature: true };

export function extendedKeyUsage(kind: Kind): object {
  return { name: 'extKeyUsage', clientAuth: true, ...(SERVERS.includes(kind) ? { serverAuth: true } : {}) };
}

/** `pathLength` undefined: not an authority. */
export function basicConstraints(pathLength: number | undefined): object {
  if (pathLength === undefined) return { name: 'basicConstraints', critical: true, cA: false };
  return { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: pathLength };
}
