import { SEVERITIES } from '@backhaul/envelope';
import { secretText } from '@backhaul/runtime';
import { z } from 'zod';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/;
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'small letters, digits, dot, dash, underscore');
const mailAddress = z.email().max(254);

const USE =
  '`webhook`: posted as JSON with a signature (`url`, `secret`); `mail`: sent by SMTP as plain text (the others)';
const ROOTS = 'PEM file with the roots that the certificate of the other side must lead to; the system’s when left out';
const common = {
  name: name.describe('Name of the sender; the outbox keeps its state under it'),
  timeoutMs: z.int().min(100).max(60_000).default(10_000).describe('An attempt that takes longer has failed'),
  filter: z
    .strictObject({
      kinds: z
        .array(z.string().regex(/^[a-z][a-z0-9-]*(?:\.(?:[a-z][a-z0-9-]*|\*))+$/, 'like component.overdue or alarm.*'))
        .min(1)
        .optional()
        .describe('Only these kinds; `component.*` means all of a noun'),
      customers: z.array(z.string()).min(1).optional().describe('Only of these customers, by ID'),
      severities: z.array(z.enum(SEVERITIES)).min(1).optional().describe('Only of these severities'),
    })
    .prefault({})
    .describe('Which notifications it is given; everything when left out'),
};

const webhook = z
  .strictObject({
    use: z.literal('webhook').describe(USE),
    ...common,
    url: z
      .url({ protocol: /^https?$/ })
      .refine(isSafe, 'https, or http on loopback')
      .describe('Where it is posted to, and nowhere else: no redirect is followed'),
    secret: secretText.describe('Key of the signature (HMAC-SHA-256): any text, or `whsec_` and base64'),
    roots: z.string().optional().describe(ROOTS),
  })
  .describe('A webhook');

const mail = z
  .strictObject({
    use: z.literal('mail').describe(USE),
    ...common,
    host: z.string().min(1).describe('SMTP server'),
    port: z.int().min(1).max(65_535).default(587).describe('Its port'),
    security: z
      .enum(['starttls', 'tls', 'none'])
      .default('starttls')
      .describe('`starttls` is insisted on, `tls` from the first byte, `none` on loopback only'),
    user: z.string().optional().describe('User name to log in with; no log-in when left out'),
    password: secretText.optional().describe('Password to log in with'),
    roots: z.string().optional().describe(ROOTS),
    from: mailAddress.describe('Sender address'),
    to: z.array(mailAddress).min(1).max(20).describe('Receivers'),
  })
  .refine(({ host, security }) => security !== 'none' || isLoopback(host), {
    path: ['security'],
    message: '`none` is for loopback only',
  })
  .refine(({ user, password }) => (user === undefined) === (password === undefined), {
    path: ['password'],
    message: 'user and password go together',
  })
  .describe('A mail');

/** The section `notifications` of `appserver.yaml`. */
export const notificationConfig = z.strictObject({
  maxWaiting: z
    .int()
    .min(1)
    .default(10_000)
    .describe(
      'Notifications that may wait for one sender, of one customer a tenth of them (at least 100); past it the oldest is given up',
    ),
  maxAgeMs: z
    .int()
    .min(60_000)
    .default(3 * 86_400_000)
    .describe('A notification that could not be handed over for so long is given up'),
  keepDays: z.int().min(1).default(30).describe('Notifications are listed for so many days'),
  senders: z
    .array(z.discriminatedUnion('use', [webhook, mail]))
    .max(32)
    .default([])
    .refine((list) => new Set(list.map((sender) => sender.name)).size === list.length, 'each sender its own name')
    .describe('Where notifications go: webhooks and mails'),
});

export type NotificationConfig = z.output<typeof notificationConfig>;
export type WebhookConfig = z.output<typeof webhook>;
export type MailConfig = z.output<typeof mail>;

function isSafe(text: string): boolean {
  const { protocol, hostname, username, password } = new URL(text);
  return username === '' && password === '' && (protocol === 'https:' || isLoopback(hostname));
}
