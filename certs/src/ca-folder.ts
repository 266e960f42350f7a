import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TRUST_DOMAIN_PATTERN } from '@backhaul/identity';
import { BackhaulError, readJson } from '@backhaul/runtime';
import { z } from 'zod';

/**
 * The files of a certificate authority. A backup of the whole folder is a backup of the authority; without `rootKey` the
 * folder still issues, so that one file can be taken away and kept offline after `init`.
 */
export const CA_FILES = {
  /** Written last: the authority is complete when it is there. */
  description: 'ca.json',
  roots: 'roots.pem',
  /** 0600; needed only to certify the next issuing key. */
  rootKey: 'root.key.pem',
  issuing: 'issuing.pem',
  /** 0600 */
  issuingKey: 'issuing.key.pem',
  /** 0600; the secrets of all enrolment tokens are made from it, so no token's secret is ever on disk. */
  tokenKey: 'token.key',
  tokens: 'tokens',
  audit: 'audit.jsonl',
} as const;

export const caDescription = z.strictObject({
  format: z.literal(1),
  trustDomain: z.string().regex(TRUST_DOMAIN_PATTERN),
  createdAt: z.string(),
});

export interface CertificateAuthority {
  readonly directory: string;
  readonly trustDomain: string;
  /** PEM */
  readonly roots: string;
  readonly issuing: string;
  readonly issuingKey: string;
  readonly tokenKey: Buffer;
}

export function caExists(directory: string): boolean {
  return existsSync(join(directory, CA_FILES.description));
}

/** Throws BH-E-CONFIG when there is no authority in this folder. */
export async function openCa(directory: string): Promise<CertificateAuthority> {
  if (!caExists(directory)) {
    throw new BackhaulError('BH-E-CONFIG', {
      detail: `no certificate authority in ${directory}: run backhaul certs init --dir ${directory}`,
    });
  }
  const { trustDomain } = await readJson(join(directory, CA_FILES.description), caDescription);
  const read = (file: string) => readFile(join(directory, file), 'utf8');
  const [roots, issuing, issuingKey, tokenKey] = await Promise.all([
    read(CA_FILES.roots),
    read(CA_FILES.issuing),
    read(CA_FILES.issuingKey),
    read(CA_FILES.tokenKey),
  ]);
  return { directory, trustDomain, roots, issuing, issuingKey, tokenKey: Buffer.from(tokenKey.trim(), 'hex') };
}
