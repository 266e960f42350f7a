import { z } from 'zod';
import { KINDS } from './component-identity.ts';
import { CUSTOMER_PATTERN, parseComponentId } from './remote-services-id.ts';
import { TRUST_DOMAIN_PATTERN } from './uri-san.ts';

const componentIdText = z.string().refine((id) => parseComponentId(id) !== undefined, 'not a component ID');
const customerText = z.string().regex(CUSTOMER_PATTERN, 'not a customer ID');
const siteName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'not a site or group name');
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in lower-case hex');

/** What an MLM knows of the components at and below it: admission, groups and revocation come from this one document. */
export const membershipDocument = z.strictObject({
  version: z.int().min(1),
  components: z.array(
    z.strictObject({
      id: componentIdText,
      kind: z.enum(KINDS),
      parent: componentIdText.nullable(),
      /** further parents at or below the MLM that is told, in order of preference */
      alternates: z.array(componentIdText).max(8).optional(),
      customer: customerText,
      site: siteName,
      state: z.enum(['active', 'revoked']),
    }),
  ),
  groups: z.record(siteName, z.array(componentIdText)),
});
export type MembershipDocument = z.output<typeof membershipDocument>;

/** What a site is given to enrol with: roots, parents, IDs and one-time tokens; never a key. */
export const sitePackage = z.strictObject({
  format: z.literal(1),
  trustDomain: z.string().regex(TRUST_DOMAIN_PATTERN),
  customer: customerText,
  site: siteName,
  /** PEM */
  roots: z.string().min(1),
  rootsSha256: sha256Hex,
  enrolUrl: z.url(),
  components: z.array(
    z.strictObject({
      id: componentIdText,
      kind: z.enum(KINDS),
      /** Without a URL where the parent's address is not known yet: then the configuration says it. */
      parent: z.strictObject({ id: componentIdText, url: z.url().optional() }),
      /** Further parents in order of preference. */
      alternates: z
        .array(z.strictObject({ id: componentIdText, url: z.url().optional() }))
        .max(8)
        .optional(),
      /** `<id>.<secret>` */
      token: z.string(),
      /** DNS and IP names the certificate will carry. */
      names: z.array(z.string()).optional(),
      /** For an MLM: what it starts with. */
      membership: membershipDocument.optional(),
    }),
  ),
});
export type SitePackage = z.output<typeof sitePackage>;

/** What a release signature is made over: the exact bytes of this JSON. */
export const artifactManifest = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'not an artifact name'),
  version: z.string().regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]{1,64})?$/, 'not a version like 1.2.3'),
  format: z.literal('archive'),
  sha256: sha256Hex,
  size: z
    .int()
    .min(1)
    .max(2 ** 40),
});
export type ArtifactManifest = z.output<typeof artifactManifest>;
