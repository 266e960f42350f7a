import type { FaultKind } from './faults.ts';
import { SimRandom } from './sim-random.ts';

/** What differs from world to world without being a fault. */
export interface WorldSettings {
  readonly heartbeatMs: number;
  readonly spool: { readonly maxBytes: number; readonly maxMessages: number };
  readonly mlmSpool: { readonly maxBytes: number; readonly maxMessages: number };
  readonly uplink: { readonly window: number; readonly maxMessages: number };
  /** modules of every MLM */
  readonly modules: readonly object[];
  /** messages of each proxy */
  readonly messagesPerHour: number;
  readonly commandsPerHour: number;
}

const MIB = 1024 * 1024;

const FILTER = { use: 'filter', rules: [{ class: 'x-sim', subclass: 'noise' }] };
const AGGREGATE = { use: 'aggregate', rules: [{ class: 'x-sim', subclass: 'numbers', count: 4, windowMs: 60_000 }] };
const THROTTLE = {
  use: 'throttle',
  rules: [{ class: 'x-sim', subclass: 'chatter', messagesPerSecond: 0.5, burst: 4 }],
};

/** `busy`: much happens in a short time, with every module on. */
export function settingsOf(seed: number, kinds: readonly FaultKind[], busy = false): WorldSettings {
  const random = new SimRandom(seed, 'settings');
  const has = (kind: FaultKind) => kinds.includes(kind);
  const tiny = has('tiny-batches') ? { window: random.between(1, 2), maxMessages: random.between(1, 3) } : undefined;
  const room = has('small-spool') ? { maxBytes: MIB, maxMessages: random.between(12, 40) } : undefined;
  return {
    heartbeatMs: random.pick([120_000, 300_000, 600_000]),
    spool: room ?? { maxBytes: 64 * MIB, maxMessages: 100_000 },
    mlmSpool: { maxBytes: 256 * MIB, maxMessages: 400_000 },
    uplink: tiny ?? { window: random.pick([1, 4, 8]), maxMessages: random.pick([8, 64, 256]) },
    modules: [FILTER, AGGREGATE, THROTTLE].filter(() => random.chance(0.7) || busy),
    messagesPerHour: busy ? 240 : random.pick([20, 60, 120]),
    commandsPerHour: busy ? 120 : random.pick([6, 12, 24]),
  };
}
