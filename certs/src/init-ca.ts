import { generateKeyPair, type KeyObject } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { rootFingerprint, TRUST_DOMAIN_PATTERN } from '@backhaul/identity';
import {
  BackhaulError,
  type Clock,
  isoTime,
  type Random,
  systemClock,
  systemRandom,
  writeFileAtomic,
} from '@backhaul/runtime';
import { buildCertificate, publicKeyOf } from './build-certificate.ts';
import { CA_FILES, caExists } from './ca-folder.ts';
import {
  AUTHORITY_KEY_BITS,
  AUTHORITY_KEY_USAGE,
  BACKDATE_MS,
  basicConstraints,
  DAY_MS,
  ISSUING_DAYS,
  ROOT_DAYS,
} from './certificate-profile.ts';

const generateKeyPairAsync = promisify(generateKeyPair);

export interface InitCaOptions {
  readonly trustDomain: string;
  readonly rootDays?: number;
  readonly issuingDays?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface CaSummary {
  readonly trustDomain: string;
  readonly rootsPem: string;
  readonly rootsSha256: string;
}

/**
 * Makes a certificate authority: a root, which signs nothing but the issuing key and may be taken offline, and an
 * issuing key, which signs components. Throws BH-E-CONFLICT when the folder holds one already, BH-E-NAME for the trust domain.
 */
export async function initCa(directory: string, options: InitCaOptions): Promise<CaSummary> {
  const { trustDomain, clock = systemClock, random = systemRandom } = options;
  if (!TRUST_DOMAIN_PATTERN.test(trustDomain))
    throw new BackhaulError('BH-E-NAME', { detail: `trust domain ${trustDomain}` });
  if (caExists(directory))
    throw new BackhaulError('BH-E-CONFLICT', { detail: `${directory} holds a certificate authority` });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const now = clock.now();
  const authority = { trustDomain, now, random };
  const rootKey = await newAuthorityKey();
  const root = await certify(authority, 'root', rootKey, rootKey, undefined, options.rootDays ?? ROOT_DAYS, 1);
  const issuingKey = await newAuthorityKey();
  const issuing = await certify(
    authority,
    'issuing',
    issuingKey,
    rootKey,
    root,
    options.issuingDays ?? ISSUING_DAYS,
    0,
  );
  const write = (file: string, text: string, mode: number) => writeFileAtomic(join(directory, file), text, mode);
  await write(CA_FILES.rootKey, pkcs8(rootKey), 0o600);
  await write(CA_FILES.issuingKey, pkcs8(issuingKey), 0o600);
  await write(CA_FILES.tokenKey, `${random.bytes(32).toString('hex')}\n`, 0o600);
  await write(CA_FILES.roots, root, 0o644);
  await write(CA_FILES.issuing, issuing, 0o644);
  const description = { format: 1, trustDomain, createdAt: isoTime(now) };
  await write(CA_FILES.description, `${JSON.stringify(description, null, 2)}\n`, 0o644);
  return { trustDomain, rootsPem: root, rootsSha256: rootFingerprint(root) };
}

async function newAuthorityKey(): Promise<KeyObject> {
  return (await generateKeyPairAsync('rsa', { modulusLength: AUTHORITY_KEY_BITS, publicExponent: 0x10001 })).privateKey;
}

function certify(
  authority: { trustDomain: string; now: number; random: Random },
  role: string,
  key: KeyObject,
  issuerKey: KeyObject,
  issuer: string | undefined,
  days: number,
  pathLength: number,
): Promise<string> {
  const plan = {
    commonName: `Backhaul ${role} ${authority.trustDomain}`.slice(0, 64),
    publicKey: publicKeyOf(key),
    issuer,
    issuerKey,
    notBefore: authority.now - BACKDATE_MS,
    notAfter: authority.now + days * DAY_MS,
    extensions: [basicConstraints(pathLength), AUTHORITY_KEY_USAGE],
  };
  return buildCertificate(plan, authority.random);
}

function pkcs8(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}
