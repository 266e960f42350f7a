import { isIP } from 'node:net';
import { CUSTOMER_PATTERN, canonicalIp, KINDS, parseComponentId } from '@backhaul/identity';
import { z } from 'zod';
import { DAY_MS } from './certificate-profile.ts';

const DNS_NAME = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;

/** A DNS name without wildcard, or an IP address in its canonical form. */
const altName = z
  .string()
  .max(253)
  .transform((text) => (isIP(text) === 0 ? text.toLowerCase() : canonicalIp(text)))
  .refine(
    (name) => isIP(name) !== 0 || (DNS_NAME.test(name) && !/^[0-9.]+$/.test(name)),
    'not a DNS name or IP address',
  );

const grantedIdentity = z
  .strictObject({ customer: z.string().regex(CUSTOMER_PATTERN), kind: z.enum(KINDS), id: z.string().max(64) })
  .refine(({ customer, kind, id }) => {
    const parsed = parseComponentId(id);
    return parsed?.customer === customer && parsed.kind === kind;
  }, 'customer and kind do not fit the ID');

export const DEFAULT_TOKEN_TTL_MS = 7 * DAY_MS;

/** What a registrar asks a token for. */
export const tokenRequest = z.strictObject({
  identity: grantedIdentity,
  names: z.array(altName).max(16).default([]),
  ttlMs: z
    .int()
    .min(1_000)
    .max(30 * DAY_MS)
    .default(DEFAULT_TOKEN_TTL_MS),
});
export type TokenRequest = z.output<typeof tokenRequest>;

/** What a token allows, as it is kept. Its secret is not kept. */
export const enrolmentGrant = z.strictObject({
  id: z.string(),
  identity: grantedIdentity,
  names: z.array(z.string()),
  createdAt: z.number(),
  expiresAt: z.number(),
  /** Who asked for it: a component ID, or `local`. */
  askedBy: z.string(),
});
export type EnrolmentGrant = z.output<typeof enrolmentGrant>;
