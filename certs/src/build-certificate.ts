import { createPublicKey, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { OID } from '@backhaul/identity';
import type { Random } from '@backhaul/runtime';
import forge from 'node-forge';

const signAsync = promisify(sign);

export interface CertificatePlan {
  readonly commonName: string;
  readonly publicKey: KeyObject;
  /** PEM; undefined: signed by itself */
  readonly issuer: string | undefined;
  readonly issuerKey: KeyObject;
  /** Milliseconds since 1970 */
  readonly notBefore: number;
  readonly notAfter: number;
  /** forge's form; key identifiers are added */
  readonly extensions: readonly object[];
}

/**
 * A certificate in PEM. forge only lays out what is to be signed; the signature is made by OpenSSL on the thread pool,
 * so the event loop is not held (forge alone would block it for some 25 ms), and nothing here is verified with forge.
 */
export async function buildCertificate(plan: CertificatePlan, random: Random): Promise<string> {
  const certificate = layOut(plan, random);
  // biome-ignore lint/suspicious/noExplicitAny: the typings of forge lack these documented members
  const open = certificate as any;
  open.md = forge.md.sha256.create();
  open.signatureOid = open.siginfo.algorithmOid = OID.sha256WithRsa;
  open.tbsCertificate = forgePki.getTBSCertificate(certificate);
  const tbs = Buffer.from(forge.asn1.toDer(open.tbsCertificate).getBytes(), 'latin1');
  certificate.signature = (await signAsync('sha256', tbs, plan.issuerKey)).toString('latin1');
  return withUnixLines(forge.pki.certificateToPem(certificate));
}

const forgePki = forge.pki as unknown as { getTBSCertificate(certificate: object): forge.asn1.Asn1 };

function layOut(plan: CertificatePlan, random: Random): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forgePublicKey(plan.publicKey);
  certificate.serialNumber = newSerial(random);
  certificate.validity.notBefore = new Date(plan.notBefore);
  certificate.validity.notAfter = new Date(plan.notAfter);
  const subject = [{ name: 'commonName', value: plan.commonName }];
  const issuer = plan.issuer === undefined ? undefined : forge.pki.certificateFromPem(plan.issuer);
  certificate.setSubject(subject);
  certificate.setIssuer(issuer?.subject.attributes ?? subject);
  const keyIdentifier = (issuer ?? certificate).generateSubjectKeyIdentifier().getBytes();
  const identifiers = [{ name: 'subjectKeyIdentifier' }, { name: 'authorityKeyIdentifier', keyIdentifier }];
  certificate.setExtensions([...plan.extensions, ...identifiers]);
  return certificate;
}

function forgePublicKey(key: KeyObject): forge.pki.PublicKey {
  return forge.pki.publicKeyFromPem(key.export({ type: 'spki', format: 'pem' }) as string);
}

/** 127 random bits, positive, never with a leading zero byte. */
function newSerial(random: Random): string {
  const bytes = random.bytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function withUnixLines(pem: string): string {
  return `${pem.replaceAll('\r\n', '\n').trim()}\n`;
}

export function publicKeyOf(key: KeyObject): KeyObject {
  return createPublicKey(key);
}

export function expiryOf(certificatePem: string): number {
  return Date.parse(new X509Certificate(certificatePem).validTo);
}
