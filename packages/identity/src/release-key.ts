import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { BackhaulError } from '@backhaul/runtime';

/** Ed25519 keys that say "these bytes are ours". A public key is written as PEM, or by its name `ed25519:<base64 of 32 bytes>`. */
const NAME_PATTERN = /^ed25519:([A-Za-z0-9+/]{43}=)$/;
/** 64 bytes in base64; what follows the padding would be ignored by the decoder, so it is refused here. */
const SIGNATURE_PATTERN = /^[A-Za-z0-9+/]{86}==$/;
/** What stands before the 32 bytes of a public key in SubjectPublicKeyInfo. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export interface ReleaseKey {
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
  /** `ed25519:…`, what a site's policy lists */
  readonly name: string;
}

export function newReleaseKey(): ReleaseKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKeyPem,
    name: releaseKeyName(publicKeyPem),
  };
}

/** `ed25519:<base64>` of a public key given as PEM or by that name. Throws BH-E-SIGNATURE when it is no Ed25519 key. */
export function releaseKeyName(publicKey: string): string {
  const spki = readPublicKey(publicKey).export({ type: 'spki', format: 'der' });
  return `ed25519:${spki.subarray(SPKI_PREFIX.length).toString('base64')}`;
}

/** Base64 of the Ed25519 signature over exactly these bytes. */
export function signManifest(privateKeyPem: string, bytes: Uint8Array): string {
  const key = createPrivateKey(privateKeyPem);
  if (key.asymmetricKeyType !== 'ed25519') throw notAKey();
  return sign(null, bytes, key).toString('base64');
}

/** Whether `signature` (base64) is by this key over exactly these bytes. Throws BH-E-SIGNATURE when the key is none. */
export function verifyManifest(publicKey: string, bytes: Uint8Array, signature: string): boolean {
  const key = readPublicKey(publicKey);
  const text = signature.replaceAll(/\s/g, '');
  return SIGNATURE_PATTERN.test(text) && verify(null, bytes, key, Buffer.from(text, 'base64'));
}

function readPublicKey(text: string): KeyObject {
  const named = NAME_PATTERN.exec(text.trim());
  try {
    const key = named === null ? createPublicKey(publicPem(text)) : fromRaw(Buffer.from(named[1]!, 'base64'));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw notAKey(cause);
  }
  throw notAKey();
}

function fromRaw(raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
}

/** `createPublicKey` would take a private key too; one that was pasted here by mistake is refused, not used. */
function publicPem(text: string): string {
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(text)) throw notAKey();
  return text;
}

function notAKey(cause?: unknown): BackhaulError {
  return new BackhaulError('BH-E-SIGNATURE', {
    detail: 'the release key is not an Ed25519 key',
    ...(cause === undefined ? {} : { cause }),
  });
}
