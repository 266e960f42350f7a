import {
  type Content,
  type Destination,
  describeClass,
  type Header,
  type Lane,
  WIRE_VERSION,
  writeContent,
  writeHeader,
} from '@backhaul/envelope';
import { BackhaulError, type Clock, newId, type Random, VERSION } from '@backhaul/runtime';
import type { ComponentTree } from '../directory/component-tree.ts';
import { MessageWriter } from '../receiver/message-writer.ts';
import type { DataScope } from '../service-modules/service-module.ts';
import type { Transaction } from '../store/database.ts';
import type { SqlMailboxes } from './sql-mailboxes.ts';

const NEXT_NUMBER = `INSERT INTO "numbering" ("lane", "last") VALUES (?, 1)
  ON CONFLICT ("lane") DO UPDATE SET "last" = "last" + 1 RETURNING "last"`;

export interface DownwardOptions {
  readonly self: string;
  /** of this application server's own numbers */
  readonly epoch: () => string;
  readonly mailboxes: SqlMailboxes;
  readonly clock: Clock;
  readonly random: Random;
}

export interface DownwardRequest {
  readonly class: string;
  readonly subclass: string;
  readonly content: Content;
  readonly destination: Destination;
  /** the components it is meant for, frozen now */
  readonly members: readonly string[];
  readonly expiresInMs: number;
  /** the support instance it is about */
  readonly instance?: string;
  /** from the id that the message is given: the same for messages that are to be done once, whichever arrives first */
  readonly eventKey?: (id: string) => string;
  /** it goes into a mailbox that is full as well; only for what its sender holds within bounds */
  readonly pastQuota?: boolean;
}

/** Makes downward messages: a number, a header, one copy in the mailbox of each next hop [DESIGN §5]. */
export class Downward {
  readonly #options: DownwardOptions;
  readonly #writer = new MessageWriter();

  constructor(options: DownwardOptions) {
    this.#options = options;
  }

  /** Everything in the caller's transaction. Returns the message's id. @throws BH-E-TARGET when nobody is meant */
  async send(tx: Transaction, tree: ComponentTree, request: DownwardRequest): Promise<string> {
    const hops = nextHops(tree, request.members);
    const { class: cls, subclass, content } = request;
    const { classification, lane, contentType } = describeClass(cls, subclass, content);
    const header = this.#header(request, { classification, lane, contentType, sequence: await nextNumber(tx, lane) });
    const message = {
      header,
      headerBytes: writeHeader(header),
      body: writeContent(content),
      receivedAt: header.madeAt,
    };
    await this.#writer.write(
      tx,
      this.#options.self,
      [{ ...message, scope: { ...scopeOf(tree, request.members), instance: request.instance ?? null }, note: null }],
      'down',
    );
    const bytes = message.headerBytes.byteLength + message.body.byteLength;
    const { pastQuota = false } = request;
    const owners = pastQuota ? hops : this.#withRoom(tree, request.members, hops, bytes);
    const times = { receivedAt: header.madeAt, expiresAt: header.madeAt + request.expiresInMs };
    const copy = { id: header.id, header: message.headerBytes, body: message.body, ...times };
    await this.#options.mailboxes.put(tx, owners, copy, { pastQuota });
    return header.id;
  }

  /** Takes back what a next hop has not fetched, from the last message to the first that `isTaken` leaves; last first. */
  takeFromEnd(tx: Transaction, hop: string, isTaken: (header: Header) => boolean): Promise<readonly Header[]> {
    return this.#options.mailboxes.takeFromEnd(tx, hop, isTaken);
  }

  /** A mailbox that is full, of an MLM that is gone, stops nobody who is reached by another as well. */
  #withRoom(
    tree: ComponentTree,
    members: readonly string[],
    hops: readonly string[],
    bytes: number,
  ): readonly string[] {
    const open = hops.filter((hop) => this.#options.mailboxes.hasRoom(hop, bytes));
    if (open.length === hops.length) return hops;
    const isReached = (member: string) => tree.nextHops(member).some((hop) => open.includes(hop));
    return members.every(isReached) ? open : hops;
  }

  #header(
    request: DownwardRequest,
    place: Pick<Header, 'classification' | 'lane' | 'contentType' | 'sequence'>,
  ): Header {
    const { self, epoch, clock, random } = this.#options;
    const madeAt = clock.now();
    const id = newId(clock, random);
    return {
      ...place,
      id,
      ...(request.instance === undefined ? {} : { instance: request.instance }),
      ...(request.eventKey === undefined ? {} : { eventKey: request.eventKey(id) }),
      version: WIRE_VERSION,
      locator: 'destination',
      source: self,
      sourceVersion: VERSION,
      epoch: epoch(),
      class: request.class,
      subclass: request.subclass,
      madeAt,
      qos: {
        precedence: place.lane,
        expiresAt: madeAt + request.expiresInMs,
        timeToLive: request.expiresInMs,
        persistent: true,
      },
      destination: request.destination,
      routing: [],
    };
  }
}

/**
 * The direct children below which the members stand, each once, by every path: cost above is counted in these, not in
 * members. A member with two ways gets a copy by each and drops the second by its id; what nobody fetches expires.
 */
function nextHops(tree: ComponentTree, members: readonly string[]): string[] {
  const hops = members.map((member) => ({ member, hops: tree.nextHops(member) }));
  const cutOff = hops.find((one) => one.hops.length === 0);
  if (members.length === 0) throw new BackhaulError('BH-E-TARGET', { detail: 'nobody is meant' });
  if (cutOff) throw new BackhaulError('BH-E-TARGET', { detail: `${cutOff.member} is not reachable from here` });
  return [...new Set(hops.flatMap((one) => one.hops))];
}

async function nextNumber(tx: Transaction, lane: Lane): Promise<number> {
  const [row] = await tx.all<{ last: number }>(NEXT_NUMBER, [lane]);
  return row!.last;
}

/** A message belongs to the customer and site of all it is meant for; to the provider when they differ. */
function scopeOf(tree: ComponentTree, members: readonly string[]): DataScope {
  const components = members.map((id) => tree.get(id));
  const [first] = components;
  const sameCustomer = first !== undefined && components.every((c) => c?.customer === first.customer);
  const sameSite = sameCustomer && components.every((c) => c?.site === first.site);
  return { customer: sameCustomer ? first.customer : 'provider', site: sameSite ? first.site : null, instance: null };
}
