import { createHash, createHmac, timingSafeEqual, X509Certificate } from 'node:crypto';
import { BackhaulError } from '@backhaul/runtime';

/** `<id>.<secret>`: the ID is sent, the secret never is; what is sent is a proof made with it over the key in the request. */
export interface EnrolmentToken {
  readonly id: string;
  readonly secret: string;
}

/** Header names of an enrolment request. */
export const TOKEN_HEADER = 'Backhaul-Token';
export const PROOF_HEADER = 'Backhaul-Proof';
export const ENROL_PATH = '/.well-known/est/simpleenroll';

const TOKEN_PATTERN = /^([0-9a-hjkmnp-tv-z]{16,32})\.([0-9a-hjkmnp-tv-z]{32,64})$/;

/** Throws BH-E-ENROL-TOKEN when it has not the form of one. */
export function parseEnrolmentToken(text: string): EnrolmentToken {
  const [, id, secret] = TOKEN_PATTERN.exec(text.trim()) ?? [];
  if (id === undefined || secret === undefined)
    throw new BackhaulError('BH-E-ENROL-TOKEN', { detail: 'it has not the form of a token' });
  return { id, secret };
}

/** Hex of HMAC-SHA256 with the token's secret over the SubjectPublicKeyInfo (DER) of the request. */
export function enrolmentProof(secret: string, spki: Buffer): string {
  return createHmac('sha256', secret).update(spki).digest('hex');
}

/** Compared in constant time. */
export function proofMatches(secret: string, spki: Buffer, proof: string): boolean {
  const given = Buffer.from(proof);
  const wanted = Buffer.from(enrolmentProof(secret, spki));
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** Hex of SHA-256 over the DER of the one root certificate in a PEM; what a site package pins. Throws BH-E-ENROL-ROOTS. */
export function rootFingerprint(rootPem: string): string {
  try {
    return createHash('sha256').update(new X509Certificate(rootPem).raw).digest('hex');
  } catch (cause) {
    throw new BackhaulError('BH-E-ENROL-ROOTS', { detail: 'the roots are not a certificate in PEM', cause });
  }
}
