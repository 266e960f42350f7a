import type { Random } from '@backhaul/runtime';

/** What integrators hand in during a test: what passes, and what a hop is set up to take out with a receipt. */
export const CLASSES = {
  plain: { class: 'x-load', subclass: 'message' },
  /** names its event, so that it may be handed in again until it is answered, and has one effect all the same */
  event: { class: 'x-event', subclass: 'message' },
  /** of use for a moment only: expires wherever it is */
  short: { class: 'x-short', subclass: 'message' },
  /** filtered by the MLM */
  noise: { class: 'x-noise', subclass: 'message' },
  /** merged by the MLM */
  sample: { class: 'x-sample', subclass: 'number' },
} as const;
export type LoadKind = keyof typeof CLASSES;

/** Settings of the MLM that filter and merge them. */
export const LOAD_MODULES = [
  { use: 'filter', rules: [{ name: 'noise', class: CLASSES.noise.class }] },
  {
    use: 'aggregate',
    rules: [{ name: 'samples', ...CLASSES.sample, count: 5, windowMs: 1_500 }],
  },
] as const;

const LANES = [2, 4, 6, 8] as const;
/** What XML, MIME and UTF-8 have to carry unharmed. */
const AWKWARD = '<a b="c">&amp; ]]> \u{1f525} \r\n--boundary\n\tLüfter';
const MAX_PAYLOAD = 400;
const SHORT_LIFE_MS = [50, 3_000] as const;

export interface LoadMessage {
  readonly uid: string;
  /** as it is handed in, but for the support instance */
  readonly submission: Readonly<Record<string, unknown>>;
  /** its content as the JSON that arrives */
  readonly json: string;
}

/** One message; everything about it comes from the dice and its number. */
export function loadMessage(kind: LoadKind, sender: string, number: number, random: Random): LoadMessage {
  const uid = `${sender}-${number}`;
  const data =
    kind === 'sample' ? { value: number } : { uid, text: AWKWARD.repeat(1 + pick(random, 3)) + filler(random) };
  return {
    uid,
    submission: { ...CLASSES[kind], data, ...quality(kind, random), ...(kind === 'event' ? { eventId: uid } : {}) },
    json: JSON.stringify(data),
  };
}

function quality(kind: LoadKind, random: Random): Record<string, unknown> {
  if (kind === 'sample') return { precedence: 6 };
  const precedence = LANES[pick(random, LANES.length)];
  const [least, most] = SHORT_LIFE_MS;
  return kind === 'short' ? { precedence, expiresInMs: least + pick(random, most - least) } : { precedence };
}

function filler(random: Random): string {
  return Buffer.from(random.bytes(pick(random, MAX_PAYLOAD))).toString('base64');
}

export function pick(random: Random, below: number): number {
  return Math.floor(random.fraction() * below);
}
