import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { BackhaulError, systemClock } from '@backhaul/runtime';
import { certificateExtensions, OID, readAltNames, readKeyPurposes, saysCa } from './certificate-names.ts';
import type { Identity } from './component-identity.ts';
import { parseUriSan } from './uri-san.ts';

/** What the bearer of a certificate does with it on this connection. */
export type CertificateUse = 'client' | 'server';

/**
 * Who sends a request. From the TLS connection now; behind a balancer that ends TLS, from a header that only that
 * balancer can set. Throws BH-E-ID-*.
 */
export interface PeerIdentifier {
  identify(request: IncomingMessage): Identity;
}

/**
 * The identity in a certificate whose chain, dates and signature OpenSSL has verified. Read from its DER: exactly one
 * URI name counts; DNS and IP names may be there and are never identity; the subject is not looked at.
 * Throws BH-E-ID-NAME, BH-E-ID-CERTIFICATE.
 */
export function certificateIdentity(der: Buffer, trustDomain: string, use: CertificateUse): Identity {
  const extensions = certificateExtensions(der);
  if (saysCa(extensions.get(OID.basicConstraints))) {
    throw new BackhaulError('BH-E-ID-CERTIFICATE', { detail: 'it is one of an authority' });
  }
  const purposes = readKeyPurposes(extensions.get(OID.extendedKeyUsage));
  if (!purposes?.includes(use === 'client' ? OID.clientAuth : OID.serverAuth)) {
    throw new BackhaulError('BH-E-ID-CERTIFICATE', { detail: `it is not for a ${use}` });
  }
  const { uris } = readAltNames(extensions.get(OID.subjectAltName));
  if (uris.length !== 1) throw new BackhaulError('BH-E-ID-NAME', { detail: `${uris.length} URI names` });
  return parseUriSan(uris[0]!, trustDomain);
}

interface KnownPeer {
  readonly identity: Identity;
  readonly validTo: number;
}

/** A connection's certificate cannot change (renegotiation is off), so it is read once. */
const known = new WeakMap<TLSSocket, KnownPeer>();

/**
 * Who the client at the other end of an authorised TLS connection is; its dates are looked at again at each call.
 * Throws BH-E-ID-MISSING, BH-E-ID-NAME, BH-E-ID-CERTIFICATE, BH-E-ID-EXPIRED.
 */
export function peerIdentity(socket: TLSSocket, trustDomain: string, now: number = systemClock.now()): Identity {
  if (!socket.authorized) throw new BackhaulError('BH-E-ID-MISSING');
  const peer = known.get(socket) ?? readPeer(socket, trustDomain);
  if (peer.identity.trustDomain !== trustDomain) throw new BackhaulError('BH-E-ID-NAME');
  if (now > peer.validTo) throw new BackhaulError('BH-E-ID-EXPIRED', { detail: expiry(peer.validTo, now) });
  return peer.identity;
}

export function tlsPeerIdentifier(trustDomain: string): PeerIdentifier {
  return {
    identify({ socket }) {
      if (!(socket instanceof TLSSocket))
        throw new BackhaulError('BH-E-ID-MISSING', { detail: 'not a TLS connection' });
      return peerIdentity(socket, trustDomain);
    },
  };
}

function readPeer(socket: TLSSocket, trustDomain: string): KnownPeer {
  const certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new BackhaulError('BH-E-ID-MISSING');
  const peer = {
    identity: certificateIdentity(certificate.raw, trustDomain, 'client'),
    validTo: Date.parse(certificate.validTo),
  };
  known.set(socket, peer);
  return peer;
}

function expiry(validTo: number, now: number): string {
  return `it ended ${Math.round((now - validTo) / 60_000)} min ago by the clock here`;
}
