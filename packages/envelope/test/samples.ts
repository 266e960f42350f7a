import type { Random } from '@backhaul/runtime';
import { type Alarm, type Header, type RawMessage, writeContent, writeHeader } from '../src/index.ts';

/** 26 characters that end in the number. */
export const sampleId = (number: number): string => number.toString().padStart(26, '0');

export const EPOCH = '0123456789abcdef';
export const PROXY = 'c0a1b2c3d.p1';
export const INSTANCE = 'c0a1b2c3d.p1.s1';

export function sampleHeader(changes: Partial<Header> = {}): Header {
  return {
    id: sampleId(1),
    version: '1.0',
    locator: 'source',
    source: PROXY,
    sourceVersion: '0.1.0',
    epoch: EPOCH,
    lane: 4,
    sequence: 17,
    classification: 'monitoring',
    class: 'storage-alarms',
    subclass: 'filesystem',
    contentType: 'alarm',
    madeAt: 1_795_230_000_000,
    qos: { precedence: 4, persistent: true },
    routing: [],
    ...changes,
  };
}

/** Every element and attribute a header may have; as a downward message. */
export function fullHeader(): Header {
  return sampleHeader({
    locator: 'destination',
    instance: INSTANCE,
    sourceType: 'host',
    eventKey: 'host/machine 7 "böse" <&>/ev\n1',
    inReplyTo: sampleId(9),
    qos: {
      precedence: 4,
      expiresAt: 1_795_230_900_000,
      timeToLive: 900_000,
      persistent: false,
      supersedeKey: 'load "1" & more',
    },
    destination: { kind: 'group', name: 'site-a' },
    traceparent: `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`,
    routing: [
      { id: 'provider.a1', in: 1_795_230_000_000, out: 1_795_230_000_010, left: 899_990 },
      { id: 'c0a1b2c3d.m1', in: 1_795_230_000_050, out: 1_795_230_000_060 },
    ],
  });
}

export function sampleAlarm(changes: Partial<Alarm> = {}): Alarm {
  return {
    type: 'alarm',
    alarmId: 'filesystem:/var',
    severity: 'major',
    state: 'open',
    instance: INSTANCE,
    occurredAt: 1_795_229_999_000,
    location: '/var',
    text: '/var is 93 % full',
    ...changes,
  };
}

export function sampleMessage(number: number, body: Uint8Array = writeContent(sampleAlarm())): RawMessage {
  const id = sampleId(number);
  return { id, headerBytes: writeHeader(sampleHeader({ id, sequence: number })), body };
}

/** Dice that always fall the same way. */
export const fixedRandom: Random = { fraction: () => 0.5, bytes: (length) => Buffer.alloc(length, 0xb7) };
export const BOUNDARY = 'b7'.repeat(24);
export const CONTENT_TYPE = `multipart/related; type="application/xml"; boundary=${BOUNDARY}`;
