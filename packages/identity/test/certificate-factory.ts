import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import forge from 'node-forge';

/** Certificates good and bad, for tests only: forge lays them out, node:crypto signs them. */
export const TRUST_DOMAIN = 'backhaul.example';
export const CUSTOMER = 'c0a1b2c3d';
export const PROXY_ID = `${CUSTOMER}.p1`;
export const GOOD_URI = `spiffe://${TRUST_DOMAIN}/${CUSTOMER}/proxy/${PROXY_ID}`;

const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export interface Party {
  readonly cert: string;
  readonly key: KeyObject;
}

export interface Plan {
  cn?: string;
  key?: KeyObject;
  issuer?: Party;
  notBefore?: number;
  notAfter?: number;
  extensions?: object[];
  digest?: 'sha256' | 'sha1' | 'md5';
  /** Changes what is signed, after it has been signed. */
  tamper?: (der: Buffer) => Buffer;
}

const DIGESTS = {
  sha256: ['1.2.840.113549.1.1.11', () => forge.md.sha256.create()],
  sha1: ['1.2.840.113549.1.1.5', () => forge.md.sha1.create()],
  md5: ['1.2.840.113549.1.1.4', () => forge.md.md5.create()],
} as const;

export function newKey(bits = 2048): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: bits }).privateKey;
}

/** One key serves all leaves: making keys is what takes time. */
export const leafKey = newKey();
export const otherKey = newKey();

export function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

export function makeCertificate(plan: Plan): Party {
  const key = plan.key ?? leafKey;
  // biome-ignore lint/suspicious/noExplicitAny: the typings of forge lack documented members
  const certificate: any = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(
    createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string,
  );
  certificate.serialNumber = `4${Math.random().toString(16).slice(2, 12).padEnd(11, '0')}`;
  certificate.validity.notBefore = new Date(plan.notBefore ?? Date.now() - HOUR);
  certificate.validity.notAfter = new Date(plan.notAfter ?? Date.now() + DAY);
  const subject = [{ name: 'commonName', value: plan.cn ?? PROXY_ID }];
  certificate.setSubject(subject);
  certificate.setIssuer(plan.issuer ? forge.pki.certificateFromPem(plan.issuer.cert).subject.attributes : subject);
  certificate.setExtensions(plan.extensions ?? goodExtensions());
  const [oid, md] = DIGESTS[plan.digest ?? 'sha256'];
  certificate.md = md();
  certificate.signatureOid = certificate.siginfo.algorithmOid = oid;
  certificate.tbsCertificate = forgePki.getTBSCertificate(certificate);
  const tbs = Buffer.from(forge.asn1.toDer(certificate.tbsCertificate).getBytes(), 'latin1');
  certificate.signature = sign(plan.digest ?? 'sha256', tbs, plan.issuer?.key ?? key).toString('latin1');
  const der = Buffer.from(forge.asn1.toDer(forge.pki.certificateToAsn1(certificate)).getBytes(), 'latin1');
  return { cert: toPem(plan.tamper ? plan.tamper(der) : der), key };
}

const forgePki = forge.pki as unknown as { getTBSCertificate(certificate: object): forge.asn1.Asn1 };

export function toPem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')}\n-----END CERTIFICATE-----\n`;
}

export const uri = (value: string) => ({ type: 6, value });
export const dns = (value: string) => ({ type: 2, value });
export const email = (value: string) => ({ type: 1, value });
export const ip = (value: string) => ({ type: 7, ip: value });

export const sans = (...altNames: object[]) => ({ name: 'subjectAltName', altNames });
export const eku = (...uses: string[]) => ({
  name: 'extKeyUsage',
  ...Object.fromEntries(uses.map((use) => [use, true])),
});
export const constraints = (cA: boolean, pathLenConstraint?: number) => ({
  name: 'basicConstraints',
  critical: true,
  cA,
  ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
});
export const keyUsage = (...uses: string[]) => ({
  name: 'keyUsage',
  critical: true,
  ...Object.fromEntries(uses.map((use) => [use, true])),
});

export function goodExtensions(...names: object[]): object[] {
  return leafExtensions(names.length === 0 ? [uri(GOOD_URI)] : names);
}

export function leafExtensions(names: object[], uses: string[] = ['clientAuth']): object[] {
  return [constraints(false), keyUsage('digitalSignature'), eku(...uses), sans(...names)];
}

export function makeCa(cn: string, plan: Plan = {}, pathLength = 1): Party {
  const extensions = [constraints(true, pathLength), keyUsage('keyCertSign', 'cRLSign')];
  return makeCertificate({ cn, key: plan.key ?? newKey(), extensions, ...plan });
}
