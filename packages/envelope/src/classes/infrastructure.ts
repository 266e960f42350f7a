import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { readHoldings } from '../infrastructure/holdings.ts';
import { readReceipts } from '../infrastructure/receipts.ts';
import { readStatus } from '../infrastructure/status-tree.ts';
import { type Content, TOMBSTONE_REASONS } from '../message.ts';
import type { ClassEntry } from './class-entry.ts';
import { bytes, count, errorCode, id, longText, messageId, sha256, shortText, time } from './json-fields.ts';

/** Messages by which the network looks after itself. */
export const registration = z.strictObject({
  kind: z.enum(['instance', 'integrator']),
  /** the ID that the proxy gave */
  id,
  /** the integrator that feeds it */
  integrator: id.optional(),
  /** `host`, `snmp` … */
  platform: shortText.optional(),
  /** what its management platform calls it: address, serial … */
  managementId: shortText.optional(),
  name: shortText.optional(),
  version: shortText.optional(),
});
export type Registration = z.output<typeof registration>;

export const transfer = z.strictObject({
  sha256,
  /** bytes fetched from above, and how many fetches that took */
  wanBytes: bytes,
  fetches: count,
  /** bytes handed out below */
  lanBytes: bytes,
  destinations: z.array(id).max(1024),
  failed: z
    .array(z.strictObject({ id, reason: longText }))
    .max(1024)
    .optional(),
});
export type Transfer = z.output<typeof transfer>;

export const membership = z.strictObject({
  version: z.number().int().min(1),
  components: z
    .array(
      z.strictObject({
        id,
        kind: z.enum(['appserver', 'mlm', 'proxy', 'ca']),
        parent: id.nullable().optional(),
        /** further parents at or below the MLM that is told, in order of preference */
        alternates: z.array(id).max(8).optional(),
        customer: id,
        site: shortText.nullable().optional(),
        state: z.enum(['active', 'revoked']),
      }),
    )
    .max(10_000),
  groups: z.record(id, z.array(id).max(10_000)),
});
export type Membership = z.output<typeof membership>;

/** Takes a message from above back, as long as a member has not reached it. It goes the way of that message, behind it. */
export const revocation = z.strictObject({
  /** id of the message that is taken back */
  message: messageId,
  /** for people */
  reason: longText.optional(),
});
export type Revocation = z.output<typeof revocation>;
/** Late rejections: what was accepted from a proxy and could not be carried to its end, told to those who sent it. */
export const rejection = z.strictObject({
  items: z
    .array(
      z.strictObject({
        /** of the message that was lost on the way */
        id: messageId,
        class: id,
        subclass: id,
        /** the support instance it was about */
        instance: id.optional(),
        eventKey: z.string().min(1).max(512).optional(),
        reason: z.enum(TOMBSTONE_REASONS),
        code: errorCode.optional(),
        /** the hop that rejected it, and when by its clock */
        by: id,
        at: time,
      }),
    )
    .min(1)
    .max(256),
});
export type Rejection = z.output<typeof rejection>;
export type RejectedItem = Rejection['items'][number];

/**
 * What a component says of itself: that it begins, that it ends on purpose, that its store was found damaged and what was lost
 * (`store-findings`), that its sender was stuck (`sender-stalled`), and what it noticed of a child: two with one identity
 * (`clone`, `two-pollers`).
 */
export const NOTICES = ['cold-start', 'shutdown', 'store-findings', 'sender-stalled', 'clone', 'two-pollers'] as const;
export type NoticeId = (typeof NOTICES)[number];

function isNotice(eventId: string): eventId is NoticeId {
  return (NOTICES as readonly string[]).includes(eventId);
}

function checkNotice(content: Content): void {
  if (content.type === 'event' && !isNotice(content.eventId))
    throw new BackhaulError('BH-E-SCHEMA', { detail: `eventId: one of ${NOTICES.join(', ')}` });
}

const administration = { class: 'infrastructure', classification: 'infrastructure-administration', lane: 4 } as const;

export const INFRASTRUCTURE_CLASSES: readonly ClassEntry[] = [
  {
    ...administration,
    subclass: 'heartbeat',
    contentTypes: ['data'],
    from: 'proxy, MLM',
    about: 'the status tree, text/xml',
    check: (content) => void readStatus(content),
  },
  {
    ...administration,
    subclass: 'notice',
    contentTypes: ['event'],
    from: 'proxy, MLM',
    about: 'cold start and shutdown; damage found, a sender that was stuck, two components with one identity',
    check: checkNotice,
  },
  {
    ...administration,
    subclass: 'registration',
    contentTypes: ['data'],
    from: 'proxy',
    about: 'a new support instance or integrator and its mapping',
    json: registration,
  },
  {
    ...administration,
    subclass: 'receipt',
    contentTypes: ['data'],
    from: 'MLM, proxy',
    about: 'tombstones, text/xml; in the lane of what they replace',
    check: (content) => void readReceipts(content),
  },
  {
    ...administration,
    subclass: 'holdings',
    contentTypes: ['data'],
    from: 'proxy, MLM',
    about: 'what it has given and what waits in its spool, text/xml; a newer one supersedes',
    check: (content) => void readHoldings(content),
  },
  {
    ...administration,
    subclass: 'rejection',
    contentTypes: ['data'],
    from: 'MLM, application server',
    about: 'late rejections of messages that a proxy sent',
    json: rejection,
  },
  {
    ...administration,
    subclass: 'transfer',
    contentTypes: ['event'],
    from: 'MLM',
    about: 'an artifact fetched and handed out',
    json: transfer,
  },
  {
    ...administration,
    subclass: 'membership',
    contentTypes: ['data'],
    from: 'application server',
    about: 'the components and groups below an MLM',
    json: membership,
  },
  {
    ...administration,
    subclass: 'revocation',
    contentTypes: ['data'],
    from: 'application server',
    about: 'takes a downward message back from the mailboxes that still hold it',
    json: revocation,
  },
];
