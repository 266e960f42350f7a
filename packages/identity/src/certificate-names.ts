import { isIP } from 'node:net';
import { BackhaulError } from '@backhaul/runtime';
import { children, type DerNode, expectTag, oidText, readDer, TAG } from './der.ts';

export const OID = {
  subjectAltName: '2.5.29.17',
  extendedKeyUsage: '2.5.29.37',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  extensionRequest: '1.2.840.113549.1.9.14',
  sha256WithRsa: '1.2.840.113549.1.1.11',
} as const;

/** Names of a subjectAltName extension, by kind. `other` counts the kinds that are never used here. */
export interface AltNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  readonly ips: readonly string[];
  readonly other: number;
}

export const NO_NAMES: AltNames = { uris: [], dns: [], ips: [], other: 0 };

/** Extensions by object identifier, each with the bytes of its value. Throws BH-E-ID-NAME when one comes twice. */
export function readExtensions(list: DerNode): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const extension of children(expectTag(list, TAG.sequence))) {
    const [oid, second, third] = children(expectTag(extension, TAG.sequence));
    const value = expectTag(second?.tag === TAG.boolean ? third : second, TAG.octetString);
    const name = oidText(expectTag(oid, TAG.oid));
    if (found.has(name)) throw new BackhaulError('BH-E-ID-NAME', { detail: `extension ${name} comes twice` });
    found.set(name, value.content);
  }
  return found;
}

/** Extensions of a certificate in DER. */
export function certificateExtensions(der: Buffer): Map<string, Buffer> {
  const [tbs] = children(expectTag(readDer(der), TAG.sequence));
  const extensions = children(expectTag(tbs, TAG.sequence)).find((part) => part.tag === 0xa3);
  if (extensions === undefined) return new Map();
  return readExtensions(expectTag(children(extensions)[0], TAG.sequence));
}

/** The value of a subjectAltName extension. */
export function readAltNames(value: Buffer | undefined): AltNames {
  if (value === undefined) return NO_NAMES;
  const names = children(expectTag(readDer(value), TAG.sequence));
  const texts = (tag: number) => names.filter((name) => name.tag === tag).map((name) => plainText(name.content));
  const ips = names.filter((name) => name.tag === 0x87).map((name) => ipText(name.content));
  const other = names.filter((name) => ![0x82, 0x86, 0x87].includes(name.tag)).length;
  return { uris: texts(0x86), dns: texts(0x82), ips, other };
}

/** The object identifiers of an extendedKeyUsage extension; undefined when there is none. */
export function readKeyPurposes(value: Buffer | undefined): string[] | undefined {
  return value === undefined ? undefined : children(expectTag(readDer(value), TAG.sequence)).map(oidText);
}

/** True when a basicConstraints extension says CA. */
export function saysCa(value: Buffer | undefined): boolean {
  if (value === undefined) return false;
  const first = children(expectTag(readDer(value), TAG.sequence))[0];
  return first?.tag === TAG.boolean && first.content[0] !== 0;
}

/** IP address in the form in which names are compared: IPv6 in full, lower case. */
export function canonicalIp(text: string): string {
  if (isIP(text) === 4) return text;
  const host = new URL(`http://[${text}]`).hostname;
  return host.slice(1, -1);
}

function ipText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  if (bytes.length !== 16) throw new BackhaulError('BH-E-ID-NAME', { detail: 'IP name of a wrong length' });
  return canonicalIp(bytes.toString('hex').match(/.{4}/g)!.join(':'));
}

/** IA5 text without control characters; a name with a NUL or a line end in it is no name. */
function plainText(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new BackhaulError('BH-E-ID-NAME', { detail: 'a name holds characters that names do not have' });
}
