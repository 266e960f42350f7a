import { expiryHere, type Message, readContent } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import type { MailboxMessage } from '@backhaul/spool';
import type { Transfer } from './transfer-machine.ts';

/** The record that an offer from above begins with. Throws BH-E-SCHEMA, BH-E-XML-* when it cannot be read. */
export function newTransfer(message: Message, destinations: readonly string[], now: number): Transfer {
  const { header, headerBytes, body } = message;
  const request = readContent(body);
  if (request.type !== 'bulkDataRequest') {
    throw new BackhaulError('BH-E-SCHEMA', { detail: 'an offer is a bulkDataRequest' });
  }
  const expiresAt = expiryHere(header, now);
  return {
    id: header.id,
    sha256: request.sha256,
    size: request.size,
    class: header.class,
    subclass: header.subclass,
    name: request.name,
    version: request.artifactVersion,
    state: 'asking',
    destinations: destinations.map((id) => ({ id, state: 'waiting' })),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    notBefore: 0,
    refusalTold: false,
    wanBytes: 0,
    fetches: 0,
    lanBytes: 0,
    offer: { header: base64(headerBytes), body: base64(body), receivedAt: now },
  };
}

/** The offer as it came, for the mailboxes of the destinations. */
export function offerOf({ id, offer, expiresAt }: Transfer): MailboxMessage {
  return {
    id,
    header: Buffer.from(offer.header, 'base64'),
    body: Buffer.from(offer.body, 'base64'),
    receivedAt: offer.receivedAt,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** The transfer by which a child may have an artifact; of several, one for which it has not had it yet. */
export function offeredTo(transfers: readonly Transfer[], child: string, sha256: string): Transfer | undefined {
  const mine = transfers.filter((one) => one.sha256 === sha256 && isOut(one) && stateAt(one, child) !== undefined);
  return mine.find((one) => stateAt(one, child) === 'offered') ?? mine[0];
}

/** Fetched anew counts: it was offered before its file was lost. */
const isOut = ({ state }: Transfer): boolean => state === 'offered' || state === 'fetching';

/** Undefined for one that was not offered it. */
function stateAt({ destinations }: Transfer, child: string): string | undefined {
  const state = destinations.find(({ id }) => id === child)?.state;
  return state === 'waiting' ? undefined : state;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
