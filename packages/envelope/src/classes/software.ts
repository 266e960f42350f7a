import { z } from 'zod';
import type { ClassEntry } from './class-entry.ts';
import { errorCode, longText, messageId, sha256, shortText } from './json-fields.ts';

/** Software on its way down, and what became of it. */
export const softwareOffer = z.strictObject({
  /** the manifest exactly as signed */
  manifest: z.string().min(1).max(65_536),
  /** base64 of the Ed25519 signature over the manifest's bytes */
  signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/),
  /** base64 of the raw or DER public key, or PEM */
  publicKey: z.string().min(1).max(1024),
});
export type SoftwareOffer = z.output<typeof softwareOffer>;

export const INSTALL_STATES = [
  'offered',
  'authorised',
  'fetching',
  'fetched',
  'verified',
  'started',
  'percent',
  'done',
  'refused',
  'failed',
] as const;

export const softwareInstall = z.strictObject({
  /** id of the offer */
  push: messageId,
  artifact: sha256,
  name: shortText,
  version: shortText,
  state: z.enum(INSTALL_STATES),
  percent: z.number().min(0).max(100).optional(),
  code: errorCode.optional(),
  reason: longText.optional(),
});
export type SoftwareInstall = z.output<typeof softwareInstall>;

const software = { class: 'software', classification: 'infrastructure-administration', lane: 4 } as const;

export const SOFTWARE_CLASSES: readonly ClassEntry[] = [
  {
    ...software,
    subclass: 'offer',
    contentTypes: ['bulkDataRequest'],
    from: 'application server',
    about: 'an artifact and its signed manifest',
    json: softwareOffer,
  },
  {
    ...software,
    subclass: 'authorisation',
    contentTypes: ['bulkDataResponse'],
    from: 'MLM, proxy',
    about: 'whether the transfer may begin',
  },
  {
    ...software,
    subclass: 'install',
    contentTypes: ['event'],
    from: 'proxy',
    about: 'one step of an install',
    json: softwareInstall,
  },
];
