import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { type Identity, parseUriSan, peerIdentity } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import type { Peer } from './types.ts';
import { single, WIRE_HEADERS } from './wire-headers.ts';

/**
 * Who sent this request: over TLS the certificate of the connection and nothing else; on a plain listener (one trusted
 * LAN, or loopback) what the sender says of itself. Throws BH-E-ID-MISSING, BH-E-ID-NAME.
 */
export function identifyPeer(request: IncomingMessage, trustDomain: string): Peer {
  const { socket } = request;
  const identity = socket instanceof TLSSocket ? peerIdentity(socket, trustDomain) : claimed(request, trustDomain);
  return { identity, address: socket.remoteAddress ?? '' };
}

function claimed(request: IncomingMessage, trustDomain: string): Identity {
  const uri = single(request.headers[WIRE_HEADERS.identity]);
  if (uri === undefined) throw new BackhaulError('BH-E-ID-MISSING', { detail: 'plain link without Backhaul-Identity' });
  return parseUriSan(uri, trustDomain);
}
