import { SimRandom } from './sim-random.ts';

/** What may go wrong. Each seed has a random half of these. */
export const FAULT_KINDS = [
  'crash',
  'restart',
  'partition',
  'lost-reply',
  'lost-request',
  'duplicate',
  'stall',
  'silent-loss',
  'slow-disk',
  'disk-full',
  'disk-error',
  'clock-jump',
  'clock-skew',
  'restored-copy',
  'tiny-batches',
  'small-spool',
  'byzantine-proxy',
  'taken-parent',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One thing that goes wrong at one time. */
export interface FaultEvent {
  readonly kind: FaultKind;
  /** ms after the faults begin */
  readonly at: number;
  /** the node, or the child whose line it is */
  readonly node: string;
  readonly durationMs: number;
  /** clock jump, ms; downtime, ms */
  readonly value: number;
}

interface Rate {
  readonly perHour: number;
  readonly meanMs: number;
  value(random: SimRandom): number;
}

const MINUTE = 60_000;
const downtime = (random: SimRandom): number => random.pick([100, 1_000, 2_000, 10_000, 2 * MINUTE]);
const jump = (random: SimRandom): number => {
  const size = random.pick([1_000, MINUTE, 60 * MINUTE, 24 * 60 * MINUTE, 365 * 24 * 60 * MINUTE]);
  return random.chance(0.5) ? size : -size;
};

/** How often, for how long, how much; over the whole world. */
const RATES: Partial<Record<FaultKind, Rate>> = {
  crash: { perHour: 20, meanMs: 0, value: downtime },
  restart: { perHour: 6, meanMs: 0, value: downtime },
  partition: { perHour: 6, meanMs: 4 * MINUTE, value: () => 0 },
  'disk-full': { perHour: 3, meanMs: 2 * MINUTE, value: () => 0 },
  'clock-jump': { perHour: 6, meanMs: 0, value: jump },
  'restored-copy': { perHour: 1, meanMs: 10 * MINUTE, value: downtime },
};

/** A random half. */
export function swarm(seed: number): FaultKind[] {
  const random = new SimRandom(seed, 'swarm');
  return FAULT_KINDS.filter(() => random.chance(0.5));
}

/** All that goes wrong at a time of its own, in order. Each kind has dice of its own: leaving one out changes no other. `times`: so much more often. */
export function planFaults(
  seed: number,
  hours: number,
  kinds: readonly FaultKind[],
  targetsOf: (kind: FaultKind) => readonly string[],
  times = 1,
): FaultEvent[] {
  const events: FaultEvent[] = [];
  for (const kind of kinds) {
    const rate = RATES[kind];
    const targets = targetsOf(kind);
    if (rate === undefined || targets.length === 0) continue;
    const random = new SimRandom(seed, `plan ${kind}`);
    const perHour = rate.perHour * times;
    for (let at = random.untilNext(perHour); at < hours * 60 * MINUTE; at += random.untilNext(perHour)) {
      const node = random.pick(targets);
      const durationMs = Math.round(-Math.log(1 - random.fraction()) * rate.meanMs);
      events.push({ kind, at, node, durationMs, value: rate.value(random) });
    }
  }
  return events.toSorted((a, b) => a.at - b.at);
}
