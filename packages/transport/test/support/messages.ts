import { type Destination, type Header, type Lane, type Message, readHeader, writeHeader } from '@backhaul/envelope';
import type { SpoolEntry } from '@backhaul/spool';

export const PROXY = 'c12345678.p1';
export const MLM = 'c12345678.m1';
export const OTHER_MLM = 'c12345678.m2';
export const EPOCH = '00000000000000aa';

export function messageId(n: number): string {
  return String(n).padStart(26, '0');
}

export function header(n: number, changes: Partial<Header> = {}): Header {
  return {
    id: messageId(n),
    version: '1.0',
    locator: 'source',
    source: PROXY,
    epoch: EPOCH,
    lane: 6,
    sequence: n,
    sourceVersion: '0.1.0',
    classification: 'monitoring',
    class: 'performance',
    subclass: 'sample',
    contentType: 'data',
    madeAt: 1_790_000_000_000,
    qos: { precedence: 6, persistent: true },
    routing: [],
    ...changes,
  };
}

export function spoolEntry(n: number, options: { bytes?: number; lane?: Lane } = {}): SpoolEntry {
  const lane = options.lane ?? 6;
  return {
    id: messageId(n),
    source: PROXY,
    epoch: EPOCH,
    lane,
    sequence: n,
    class: 'performance',
    subclass: 'sample',
    header: writeHeader(header(n, { lane, qos: { precedence: lane, persistent: true } })),
    body: Buffer.alloc(options.bytes ?? 100, 0x61),
    receivedAt: 1_790_000_000_000,
    persistent: true,
  };
}

export function spoolEntries(from: number, count: number, options: { bytes?: number; lane?: Lane } = {}): SpoolEntry[] {
  return Array.from({ length: count }, (_, i) => spoolEntry(from + i, options));
}

/** A message for a mailbox: made by the application server for the proxy. */
export function downwardMessage(n: number, destination: Destination = { kind: 'component', id: PROXY }) {
  const fields: Partial<Header> = {
    source: 'provider.a1',
    locator: 'destination',
    class: 'command',
    subclass: 'ping',
    classification: 'infrastructure-administration',
    destination,
  };
  return {
    id: messageId(n),
    header: writeHeader(header(n, fields)),
    body: Buffer.from('<data/>'),
    receivedAt: Date.now(),
  };
}

export function sequencesOf(messages: readonly Message[]): number[] {
  return messages.map((message) => message.header.sequence);
}

/** Parts as a sender would put them into an envelope. */
export function parts(n: number, changes: Partial<Header> = {}) {
  return { id: messageId(n), headerBytes: writeHeader(header(n, changes)), body: Buffer.from('<data/>') };
}

export { readHeader };
