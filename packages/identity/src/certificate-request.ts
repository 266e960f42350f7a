import { createPublicKey, generateKeyPair, type KeyObject, sign, verify } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import { BackhaulError } from '@backhaul/runtime';
import type Forge from 'node-forge';
import { type AltNames, NO_NAMES, OID, readAltNames, readExtensions } from './certificate-names.ts';
import type { Identity } from './component-identity.ts';
import { children, type DerNode, expectTag, oidText, readDer, TAG } from './der.ts';
import { uriSan } from './uri-san.ts';

const generateKeyPairAsync = promisify(generateKeyPair);
const signAsync = promisify(sign);
const MAX_REQUEST_BYTES = 16 * 1024;
/** The largest key we verify with; larger ones only cost time. */
const KEY_BITS = { least: 2048, most: 4096 };

export interface ComponentKey {
  /** PKCS#8 */
  readonly privateKeyPem: string;
  /** SubjectPublicKeyInfo; what an enrolment proof is made over. */
  readonly spki: Buffer;
}

/** A new RSA-2048 key, made off the event loop. */
export async function newComponentKey(): Promise<ComponentKey> {
  const { publicKey, privateKey } = await generateKeyPairAsync('rsa', { modulusLength: 2048, publicExponent: 0x10001 });
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

/** The public part of a key that is there already. */
export function componentKey(privateKeyPem: string): ComponentKey {
  return { privateKeyPem, spki: createPublicKey(privateKeyPem).export({ type: 'spki', format: 'der' }) };
}

/** forge's form of DNS and IP names in certificates and requests. */
export function forgeAltNames(uri: string, names: readonly string[]): object[] {
  const further = names.map((name) => (isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name }));
  return [{ type: 6, value: uri }, ...further];
}

/** A PKCS#10 request in PEM for one identity and its DNS or IP names. Built by forge, signed by OpenSSL off the event loop. */
export async function newCertificateRequest(
  key: ComponentKey,
  identity: Identity,
  names: readonly string[] = [],
): Promise<string> {
  const { default: forge } = await import('node-forge'); // large, and needed once in the life of a certificate
  const request = forge.pki.createCertificationRequest();
  const spkiPem = createPublicKey({ key: key.spki, format: 'der', type: 'spki' }).export({
    type: 'spki',
    format: 'pem',
  });
  request.publicKey = forge.pki.publicKeyFromPem(spkiPem as string);
  request.setSubject([{ name: 'commonName', value: identity.id }]);
  const altNames = forgeAltNames(uriSan(identity), names);
  request.setAttributes([{ name: 'extensionRequest', extensions: [{ name: 'subjectAltName', altNames }] }] as never);
  // biome-ignore lint/suspicious/noExplicitAny: the typings of forge lack these documented members
  const open = request as any;
  open.md = forge.md.sha256.create();
  open.siginfo.algorithmOid = open.signatureOid = OID.sha256WithRsa;
  open.certificationRequestInfo = (forge.pki as unknown as UntypedPki).getCertificationRequestInfo(request);
  const info = Buffer.from(forge.asn1.toDer(open.certificationRequestInfo).getBytes(), 'latin1');
  request.signature = (await signAsync('sha256', info, key.privateKeyPem)).toString('latin1');
  return forge.pki.certificationRequestToPem(request);
}

/** Documented by forge, not in its types. */
interface UntypedPki {
  getCertificationRequestInfo(request: object): Forge.asn1.Asn1;
}

/** What a certificate request asks for, after its own signature has been verified. */
export interface CertificateRequest {
  readonly publicKey: KeyObject;
  readonly spki: Buffer;
  readonly names: AltNames;
}

/**
 * Reads and verifies a PKCS#10 request in PEM: RSA of 2048–4096 bits with exponent 65537, signed with SHA-256 by its own
 * key, asking for no extension but a subjectAltName. Throws BH-E-ENROL-REQUEST.
 */
export function readCertificateRequest(pem: string): CertificateRequest {
  try {
    return readRequest(derOf(pem));
  } catch (error) {
    if (error instanceof BackhaulError && error.code === 'BH-E-ENROL-REQUEST') throw error;
    const detail = error instanceof BackhaulError ? error.detail : undefined;
    throw refused(detail ?? 'it cannot be read', error);
  }
}

function derOf(pem: string): Buffer {
  if (pem.length > MAX_REQUEST_BYTES) throw refused('it is too large');
  const match = /^\s*-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----\s*$/.exec(
    pem,
  );
  if (match === null) throw refused('it is not one PKCS#10 request in PEM');
  return Buffer.from(match[1]!, 'base64');
}

function readRequest(der: Buffer): CertificateRequest {
  const [info, algorithm, signature] = children(expectTag(readDer(der), TAG.sequence));
  const [, , spki, attributes] = children(expectTag(info, TAG.sequence));
  const publicKey = checkedKey(expectTag(spki, TAG.sequence).whole);
  checkSignature(publicKey, info!, expectTag(algorithm, TAG.sequence), expectTag(signature, TAG.bitString));
  return { publicKey, spki: spki!.whole, names: requestedNames(attributes) };
}

function checkedKey(spki: Buffer): KeyObject {
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const { modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== 'rsa') throw refused('the key is not an RSA key');
  if (modulusLength < KEY_BITS.least || modulusLength > KEY_BITS.most)
    throw refused(`an RSA key of ${modulusLength} bits`);
  if (publicExponent !== 65_537n) throw refused('the exponent of the key is not 65537');
  if (!key.export({ type: 'spki', format: 'der' }).equals(spki)) throw refused('the key is not in its canonical form');
  return key;
}

function checkSignature(key: KeyObject, info: DerNode, algorithm: DerNode, signature: DerNode): void {
  const oid = children(algorithm)[0];
  if (oid === undefined || oidText(oid) !== OID.sha256WithRsa) throw refused('it is not signed with RSA and SHA-256');
  const bytes = signature.content.subarray(1);
  if (signature.content[0] !== 0 || !verify('sha256', info.whole, key, bytes))
    throw refused('its signature does not match its key');
}

function requestedNames(attributes: DerNode | undefined): AltNames {
  if (attributes === undefined) return NO_NAMES;
  let names = NO_NAMES;
  const list = children(expectTag(attributes, 0xa0));
  if (list.length > 1) throw refused('it holds more than one attribute');
  for (const attribute of list) {
    const [oid, values] = children(expectTag(attribute, TAG.sequence));
    if (oidText(expectTag(oid, TAG.oid)) !== OID.extensionRequest)
      throw refused('it holds an attribute that is not taken');
    const [extensions, second] = children(expectTag(values, TAG.set));
    if (second !== undefined) throw refused('it holds two lists of extensions');
    names = onlyAltNames(readExtensions(expectTag(extensions, TAG.sequence)));
  }
  return names;
}

function onlyAltNames(extensions: Map<string, Buffer>): AltNames {
  const further = [...extensions.keys()].filter((oid) => oid !== OID.subjectAltName);
  if (further.length > 0) throw refused(`it asks for extension ${further[0]}`);
  return readAltNames(extensions.get(OID.subjectAltName));
}

function refused(detail: string, cause?: unknown): BackhaulError {
  return new BackhaulError('BH-E-ENROL-REQUEST', { detail, ...(cause === undefined ? {} : { cause }) });
}
