import { moduleConfig } from '@backhaul/modules';
import { commonConfig } from '@backhaul/runtime';
import type { SpoolLimits } from '@backhaul/spool';
import { parentConfig, spoolConfig, uplinkConfig } from '@backhaul/transport';
import { z } from 'zod';
import { custodyConfig, custodyOf, custodyPath } from './forward/custody-config.ts';

const positive = () => z.int().positive();
const MIB = 1024 * 1024;

const CUSTOMER_SHARE = 'all of it for the only customer, else an equal share, but at least a quarter of the spool';

const settings = z.strictObject({
  ...commonConfig,
  ...parentConfig,
  identity: z
    .strictObject({
      customer: z.string().min(1).describe('customer ID, or `provider` for the provider’s own MLM'),
      id: z.string().min(1).describe('component ID of this MLM'),
    })
    .optional()
    .describe('who this MLM is, only where it is not enrolled (plain HTTP); otherwise its certificate says it'),
  relay: z
    .strictObject({
      host: z.string().default('0.0.0.0').describe('address of the relay listener, to which children send'),
      port: z.int().min(0).max(65_535).default(7444).describe('port of the relay listener; 0: any free one'),
      plain: z
        .boolean()
        .default(false)
        .describe('HTTP without TLS: children are who they say they are; one trusted LAN or loopback only'),
    })
    .prefault({})
    .describe('where children send to'),
  uplink: z
    .strictObject({
      ...uplinkConfig,
      compress: z.boolean().default(true).describe('compress envelopes towards the parent'),
    })
    .prefault({})
    .describe('sending to the parent'),
  modules: z
    .array(moduleConfig)
    .max(64)
    .default([])
    .describe('service modules, asked in this order about messages on their way up'),
  custody: custodyConfig.prefault({}).describe('who keeps what arrives from below until the tier above has it'),
  spool: z
    .strictObject({
      ...spoolConfig({ maxBytes: 4096 * MIB, maxMessages: 4_000_000 }),
      perChild: z
        .strictObject({
          maxBytes: positive()
            .optional()
            .describe('bytes; an equal share when left out, but at least a quarter of the spool'),
          maxMessages: positive()
            .optional()
            .describe('messages; an equal share when left out, but at least a quarter of the spool'),
        })
        .prefault({})
        .describe('what may be in the spool of what came through one direct child'),
      perCustomer: z
        .strictObject({
          maxBytes: positive().optional().describe(`bytes; ${CUSTOMER_SHARE}`),
          maxMessages: positive().optional().describe(`messages; ${CUSTOMER_SHARE}`),
        })
        .prefault({})
        .describe('what may be in the spool of what came through all direct children of one customer together'),
    })
    .prefault({})
    .describe('the durable queue towards the parent'),
  mailboxes: z
    .strictObject({
      quotaBytes: positive()
        .default(64 * MIB)
        .describe('bytes that may wait for one child'),
      quotaMessages: positive().default(10_000).describe('messages that may wait for one child'),
    })
    .prefault({})
    .describe('the back-channel queues of the children'),
  transfers: z
    .strictObject({
      minFreeBytes: z
        .int()
        .min(0)
        .default(256 * MIB)
        .describe('bytes of disk that an artifact must leave free'),
      maxBytesPerSecond: positive().optional().describe('bytes fetched from the parent each second'),
    })
    .prefault({})
    .describe('artifacts on their way down'),
  heartbeat: z
    .strictObject({
      intervalMs: z.int().min(100).default(60_000).describe('time between heartbeats with the status tree'),
    })
    .prefault({})
    .describe('what the MLM says of itself'),
});

/** Settings of the MLM role. Read once at the door; unknown keys are refused by path. */
export const mlmConfig = settings.superRefine(({ custody, modules }, context) => {
  for (const { class: kind, subclass } of modules.flatMap((one) => (one.use === 'aggregate' ? one.rules : []))) {
    if (custodyOf(custody, { class: kind, subclass }) === 'spool') continue;
    const path = ['custody', ...custodyPath(custody, { class: kind, subclass })];
    context.addIssue({
      code: 'custom',
      path,
      message: `${kind}/${subclass} is aggregated, and what is held is spooled: say spool`,
    });
  }
});

export type MlmConfig = z.output<typeof mlmConfig>;

/** However many children there are, one may always fill so much of the spool. */
const LEAST_SHARE = 1 / 4;

/** The share of one direct child, in bytes and messages, as it is now: of few children each may have as much as there is for it. */
export function childShare(
  { maxBytes, maxMessages, perChild }: MlmConfig['spool'],
  children: () => number,
): SpoolLimits {
  return shareOf({ maxBytes, maxMessages }, perChild, children);
}

/** The share of one customer: the whole when it is the only one; beside others never so much that they are left nothing. */
export function customerShare(
  { maxBytes, maxMessages, perCustomer }: MlmConfig['spool'],
  customers: () => number,
): SpoolLimits {
  return shareOf({ maxBytes, maxMessages }, perCustomer, customers);
}

function shareOf(
  { maxBytes, maxMessages }: SpoolLimits,
  said: { maxBytes?: number | undefined; maxMessages?: number | undefined },
  sharers: () => number,
): SpoolLimits {
  const of = (whole: number): number =>
    Math.max(1, Math.floor(whole * Math.max(LEAST_SHARE, 1 / Math.max(1, sharers()))));
  return {
    get maxBytes() {
      return said.maxBytes ?? of(maxBytes);
    },
    get maxMessages() {
      return said.maxMessages ?? of(maxMessages);
    },
  };
}
