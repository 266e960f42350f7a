import { BackhaulError } from '@backhaul/runtime';

/** HTTP header names of the wire, lower case as node and undici give them [docs/wire.md]. */
export const WIRE_HEADERS = {
  version: 'backhaul-version',
  link: 'backhaul-link',
  ack: 'backhaul-ack',
  hello: 'backhaul-hello',
  /** 16 hex digits, new at each start of the process */
  boot: 'backhaul-boot',
  mailbox: 'backhaul-mailbox',
  accepts: 'backhaul-accepts',
  /** read on plain listeners only; over TLS the certificate says who the peer is */
  identity: 'backhaul-identity',
} as const;

/** Place of an envelope on one link. A session is a run of overlapping envelopes; numbers begin at 1. */
export interface LinkNumber {
  /** 16 hex digits */
  readonly session: string;
  readonly number: number;
}

/** A place in a mailbox: `<epoch>:<number>`. */
export interface MailboxPlace {
  readonly epoch: string;
  readonly through: number;
}

/** The longest a poll is held, seconds. */
export const MAX_WAIT_SECONDS = 60;

const LINK = /^([0-9a-f]{16}):([1-9][0-9]{0,14})$/;
const BOOT = /^[0-9a-f]{16}$/;
const PLACE = /^([A-Za-z0-9_-]{1,64}):(0|[1-9][0-9]{0,14})$/;
const WAIT = /^\s*wait\s*=\s*"?([0-9]{1,6})"?\s*$/i;
const VERSION = /^([0-9]{1,3})\.([0-9]{1,3})$/;

export function parseLink(value: string | undefined): LinkNumber | undefined {
  if (value === undefined) return undefined;
  const match = LINK.exec(value);
  if (!match) throw new BackhaulError('BH-E-QUERY', { detail: 'Backhaul-Link is <16 hex digits>:<number from 1>' });
  return { session: match[1]!, number: Number(match[2]) };
}

/** Throws BH-E-QUERY. */
export function parseBoot(value: string | undefined): string | undefined {
  if (value === undefined || BOOT.test(value)) return value;
  throw new BackhaulError('BH-E-QUERY', { detail: 'Backhaul-Boot is 16 hex digits' });
}

export function formatLink(link: LinkNumber): string {
  return `${link.session}:${link.number}`;
}

/** Throws BH-E-QUERY when the header `name` is there but not a place. */
export function parsePlace(name: string, value: string | undefined): MailboxPlace | undefined {
  if (value === undefined) return undefined;
  const match = PLACE.exec(value);
  if (!match) throw new BackhaulError('BH-E-QUERY', { detail: `${name} is <mailbox epoch>:<number>` });
  return { epoch: match[1]!, through: Number(match[2]) };
}

export function formatPlace(place: MailboxPlace): string {
  return `${place.epoch}:${place.through}`;
}

/** Seconds of `Prefer: wait=N` (RFC 7240), at most MAX_WAIT_SECONDS; 0 without it. */
export function parseWait(prefer: string | undefined): number {
  for (const preference of (prefer ?? '').split(',')) {
    const match = WAIT.exec(preference);
    if (match) return Math.min(Number(match[1]), MAX_WAIT_SECONDS);
  }
  return 0;
}

/** The last two minor versions below our own work; anything else is BH-E-VERSION. */
export function checkVersion(value: string | undefined, own: string): void {
  const theirs = VERSION.exec(value ?? '');
  const ours = VERSION.exec(own)!;
  const behind = theirs ? Number(ours[2]) - Number(theirs[2]) : -1;
  if (!theirs || theirs[1] !== ours[1] || behind < 0 || behind > 2) {
    throw new BackhaulError('BH-E-VERSION', { detail: `got ${value?.slice(0, 20) ?? 'none'}, spoken here: ${own}` });
  }
}

/** One value of a header that may be there once; repeated ones were joined by node and match no pattern. */
export function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
