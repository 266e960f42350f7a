import type { Content, Header, Lane } from '@backhaul/envelope';
import { type Clock, silentLogger } from '@backhaul/runtime';
import type { ModuleContext, ModuleMessage } from '../src/index.ts';

/** A message about which a module is asked; `content` counts how often the body was read. */
export interface TestMessage extends ModuleMessage {
  readonly reads: () => number;
}

export function messageOf(header: Partial<Header>, content: Content, bodyBytes = 100): TestMessage {
  let reads = 0;
  const lane: Lane = header.lane ?? 6;
  return {
    header: {
      id: '0'.repeat(26),
      version: '1.0',
      locator: 'source',
      source: 'c00000000.p1',
      epoch: '0'.repeat(16),
      lane,
      sequence: 1,
      sourceVersion: '0.1.0',
      classification: 'monitoring',
      class: 'performance',
      subclass: 'sample',
      contentType: content.type,
      madeAt: 1_000,
      qos: { precedence: lane, persistent: true },
      routing: [],
      ...header,
    },
    headerBytes: new Uint8Array(0),
    body: new Uint8Array(bodyBytes),
    content: () => {
      reads += 1;
      return content;
    },
    reads: () => reads,
  };
}

export const json = (value: unknown): Content => ({
  type: 'data',
  mimeType: 'application/json',
  encoding: 'none',
  text: JSON.stringify(value),
});

/** A clock that a test moves by hand. */
export function handClock(): Clock & { move(ms: number): void } {
  let now = 0;
  return {
    now: () => now,
    monotonic: () => now,
    after: () => ({ cancel: () => {} }),
    sleep: async () => {},
    move: (ms) => {
      now += ms;
    },
  };
}

export function contextOf(clock: Clock): ModuleContext {
  return { self: 'c00000000.m1', clock, logger: silentLogger };
}
