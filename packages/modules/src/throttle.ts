import { type Clock, TokenBucket } from '@backhaul/runtime';
import { z } from 'zod';
import { type Action, type MidStreamModule, type ModuleMessage, PASS, type TransferAnswer } from './mid-stream.ts';
import { className, moduleOptions, subclassName } from './module-options.ts';

/** The longest wait a sender is told; it then asks again. */
const MAX_WAIT_MS = 60_000;
/** How long a transfer that is too large waits before it asks again: the limit is a setting, which somebody may change. */
const TRANSFER_WAIT_MS = 600_000;

const throttleRule = z
  .strictObject({
    class: className
      .optional()
      .describe('message class; every class but infrastructure, commands and software when absent'),
    subclass: subclassName.optional(),
    messagesPerSecond: z.number().positive().optional().describe('messages accepted each second'),
    bytesPerSecond: z.number().positive().optional().describe('bytes of headers and bodies accepted each second'),
    burst: z
      .number()
      .min(0.1)
      .max(3600)
      .default(1)
      .describe('seconds of the rate that may come at once after a quiet time; never less than one message'),
  })
  .refine((rule) => rule.class !== undefined || rule.subclass === undefined, 'a subclass needs its class')
  .refine(
    (rule) => rule.messagesPerSecond !== undefined || rule.bytesPerSecond !== undefined,
    'a rule needs messagesPerSecond or bytesPerSecond',
  );

/** Accepts, or refuses with a wait, before anything is stored. Each rule counts for itself; emergency messages always pass. */
export const throttleConfig = z.strictObject({
  use: z.literal('throttle').describe('accepts, or refuses with a wait, by messages and bytes each second'),
  ...moduleOptions,
  rules: z.array(throttleRule).max(256).default([]).describe('the rates; all that apply to a message must allow it'),
  maxTransferBytes: z.int().positive().optional().describe('bytes of the largest artifact that may pass'),
});

export type ThrottleConfig = z.output<typeof throttleConfig>;

interface Rule {
  readonly class: string | undefined;
  readonly subclass: string | undefined;
  readonly messages: TokenBucket | undefined;
  readonly bytes: TokenBucket | undefined;
}

/** The built-in module `throttle`. */
export function throttleModule(config: z.input<typeof throttleConfig>): MidStreamModule {
  const settings = throttleConfig.parse(config);
  const rules = settings.rules.map(
    (rule): Rule => ({
      class: rule.class,
      subclass: rule.subclass,
      messages: bucket(rule.messagesPerSecond, rule.burst),
      bytes: bucket(rule.bytesPerSecond, rule.burst),
    }),
  );
  let clock: Clock | undefined;
  return {
    name: settings.name ?? settings.use,
    subscriptions: settings.rules.map((rule) => ({
      ...(rule.class === undefined ? {} : { class: rule.class }),
      ...(rule.subclass === undefined ? {} : { subclass: rule.subclass }),
    })),
    start: async (context) => {
      clock = context.clock;
    },
    stop: async () => {},
    up: (message) => (clock === undefined ? PASS : admit(rules, message, clock.monotonic())),
    authorizeTransfer: ({ size }) => authorize(settings.maxTransferBytes, size),
  };
}

/** Takes from all buckets or from none: a message refused by one rule does not use up another. */
function admit(rules: readonly Rule[], message: ModuleMessage, now: number): Action {
  if (message.header.lane === 0) return PASS;
  const size = message.headerBytes.length + message.body.length;
  const applying = rules.filter((rule) => applies(rule, message));
  const waits = applying.flatMap((rule) => [refusal(rule.messages, 1, now), refusal(rule.bytes, size, now)]);
  const wait = Math.max(0, ...waits);
  if (wait > 0) return { do: 'refuse', code: 'BH-E-THROTTLE', waitMs: Math.min(wait, MAX_WAIT_MS) };
  for (const rule of applying) {
    rule.messages?.take(1, now);
    rule.bytes?.take(size, now);
  }
  return PASS;
}

function applies(rule: Rule, { header }: ModuleMessage): boolean {
  if (rule.class === undefined) return header.classification !== 'infrastructure-administration';
  return rule.class === header.class && (rule.subclass === undefined || rule.subclass === header.subclass);
}

function refusal(bucket: TokenBucket | undefined, cost: number, now: number): number {
  if (bucket === undefined || bucket.waitFor(cost, now) === 0) return 0;
  return bucket.promise(cost, now, MAX_WAIT_MS);
}

function authorize(limit: number | undefined, size: number): TransferAnswer {
  if (limit === undefined || size <= limit) return { allowed: true };
  return { allowed: false, reason: `${size} bytes are more than the ${limit} allowed here`, waitMs: TRANSFER_WAIT_MS };
}

function bucket(rate: number | undefined, seconds: number): TokenBucket | undefined {
  return rate === undefined ? undefined : new TokenBucket(rate, Math.max(1, rate * seconds));
}
