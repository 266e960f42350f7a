import { LIMITS } from '@backhaul/envelope';
import { secretText } from '@backhaul/runtime';
import { z } from 'zod';

/** The keys of every role that has a parent. Use as `z.strictObject({ ...commonConfig, ...parentConfig, … })`. */
export const parentConfig = {
  trustDomain: z.string().min(1).default('backhaul.internal').describe('trust domain that certificates must name'),
  parents: z
    .array(
      z.strictObject({
        id: z.string().min(1).describe('component ID of the parent (an MLM or the application server)'),
        url: z.url({ protocol: /^https?$/ }).describe('its relay listener, `https://host:port`'),
      }),
    )
    .min(1)
    .max(8)
    .describe('parents in order of preference'),
  outboundProxy: z
    .strictObject({
      url: z.url().describe("the customer's own HTTP proxy, `http://host:port`"),
      username: z.string().optional().describe('user name for it'),
      password: secretText.optional().describe('password for it'),
    })
    .optional()
    .describe('HTTP proxy through which the parent is reached'),
};

/** The keys of the section `uplink`. */
export const uplinkConfig = {
  maxMessages: z.int().min(1).max(LIMITS.messages).default(LIMITS.messages).describe('messages in one envelope'),
  pace: z
    .strictObject({
      messagesPerSecond: z.number().positive().optional().describe('messages of lanes 4 to 8 sent in a second'),
      bytesPerSecond: z.int().min(1024).optional().describe('bytes of lanes 4 to 8 sent in a second'),
    })
    .prefault({})
    .describe('how fast a backlog may drain; lanes 0 to 3 never wait for it'),
  window: z.int().min(1).max(LIMITS.window).default(LIMITS.window).describe('envelopes in flight'),
};

const positive = () => z.int().min(1);

/** The keys of the section `spool`, with the role's own sizes. */
export const spoolConfig = (defaults: { maxBytes: number; maxMessages: number }) => ({
  maxBytes: positive().default(defaults.maxBytes).describe('bytes the spool may hold'),
  maxMessages: positive().default(defaults.maxMessages).describe('messages the spool may hold'),
  ballastBytes: z
    .int()
    .min(0)
    .default(16 * 1024 * 1024)
    .describe('file kept to be freed when the disk is full, so that the store can be reopened'),
  reserveBytes: z
    .int()
    .min(0)
    .optional()
    .describe(
      'free disk space below which nothing new is accepted; 5 % of the disk, from 256 MiB to 1 GiB, when left out',
    ),
});
