import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionOptions, PeerCertificate, TlsOptions } from 'node:tls';
import { BackhaulError } from '@backhaul/runtime';
import type { Identity } from './component-identity.ts';
import { certificateIdentity } from './peer-identity.ts';
import { uriSan } from './uri-san.ts';

/** What a component shows and trusts, as PEM. */
export interface TlsMaterial {
  readonly key: string;
  /** The component's certificate first, then the intermediates. */
  readonly cert: string;
  readonly ca: string;
}

/** The files of `<dataDirectory>/identity/`, made by enrolment. */
export const IDENTITY_FILES = { key: 'key.pem', cert: 'certificate.pem', ca: 'roots.pem' } as const;

export function identityDirectory(dataDirectory: string): string {
  return join(dataDirectory, 'identity');
}

/** Throws BH-E-ID-MISSING when the component has not been enrolled. */
export function loadTlsMaterial(dataDirectory: string): TlsMaterial {
  const read = (file: string) => {
    try {
      return readFileSync(join(identityDirectory(dataDirectory), file), 'utf8');
    } catch (cause) {
      throw new BackhaulError('BH-E-ID-MISSING', { detail: `${identityDirectory(dataDirectory)}/${file}`, cause });
    }
  };
  return { key: read(IDENTITY_FILES.key), cert: read(IDENTITY_FILES.cert), ca: read(IDENTITY_FILES.ca) };
}

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** What both sides hold to. No tickets, no renegotiation: identity is settled once per connection and never resumed [T-A15]. */
const common = {
  minVersion: 'TLSv1.2',
  ALPNProtocols: ['http/1.1'],
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
} as const;

/** A listener that only takes peers with a certificate of our roots. There is no session cache: nobody stores `newSession`. */
export function serverTlsOptions(material: TlsMaterial): TlsOptions {
  return {
    ...serverOnlyTlsOptions(material),
    ca: material.ca,
    requestCert: true,
    rejectUnauthorized: true,
  };
}

/** A listener that shows a certificate and asks for none (enrolment, staff). */
export function serverOnlyTlsOptions(material: Pick<TlsMaterial, 'key' | 'cert'>): TlsOptions {
  return {
    ...common,
    ALPNProtocols: [...common.ALPNProtocols],
    key: material.key,
    cert: material.cert,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
}

/**
 * A connection to a parent: our certificate is shown, and the parent must be the one expected. The name or address that
 * was dialled does not count, only the URI in the parent's certificate. Fails with BH-E-ID-PARENT.
 */
export function clientTlsOptions(material: TlsMaterial, expected: Identity): ConnectionOptions {
  return {
    ...clientOnlyTlsOptions(material.ca, (peer) => uriSan(peer) === uriSan(expected), expected.trustDomain),
    key: material.key,
    cert: material.cert,
  };
}

/** A connection that shows no certificate (enrolment); `accept` says whom it talks to. */
export function clientOnlyTlsOptions(
  roots: string,
  accept: (peer: Identity) => boolean,
  trustDomain: string,
): ConnectionOptions {
  return {
    ...common,
    ALPNProtocols: [...common.ALPNProtocols],
    ca: roots,
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => refuseOther(certificate, accept, trustDomain),
  };
}

function refuseOther(
  certificate: PeerCertificate,
  accept: (peer: Identity) => boolean,
  trustDomain: string,
): Error | undefined {
  try {
    const peer = certificateIdentity(certificate.raw, trustDomain, 'server');
    return accept(peer) ? undefined : new BackhaulError('BH-E-ID-PARENT', { detail: `it is ${peer.id}` });
  } catch (cause) {
    return new BackhaulError('BH-E-ID-PARENT', {
      detail: cause instanceof BackhaulError ? (cause.detail ?? cause.code) : 'unreadable',
      cause,
    });
  }
}
