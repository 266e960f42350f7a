import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type ArtifactManifest, artifactManifest, signManifest } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import { FormData } from 'undici';
import { z } from 'zod';

/** What staff upload: the exact bytes that were signed, the signature, and the key it can be checked with. */
export interface SignedManifest {
  readonly manifest: string;
  readonly signature: string;
  readonly publicKey: string;
}

/** Hash and length of a file, as a manifest. Throws BH-E-USAGE when name or version are not allowed. */
export async function manifestOf(file: string, name: string, version: string): Promise<ArtifactManifest> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const candidate = { name, version, format: 'archive', sha256: hash.digest('hex'), size: (await stat(file)).size };
  const checked = artifactManifest.safeParse(candidate);
  if (checked.success) return checked.data;
  throw new BackhaulError('BH-E-USAGE', { detail: z.prettifyError(checked.error).split('\n')[0]! });
}

/** Signs the bytes of the manifest's JSON with a release key (PEM, Ed25519). */
export function signArtifact(manifest: ArtifactManifest, privateKeyPem: string): SignedManifest {
  const bytes = JSON.stringify(manifest);
  return {
    manifest: bytes,
    signature: signManifest(privateKeyPem, Buffer.from(bytes)),
    publicKey: publicKeyOf(privateKeyPem),
  };
}

/** The upload form of a signed file; the file is streamed. */
export async function artifactForm(file: string, signed: SignedManifest): Promise<FormData> {
  const form = new FormData();
  form.set('manifest', signed.manifest);
  form.set('signature', signed.signature);
  form.set('publicKey', signed.publicKey);
  form.set('file', await openAsBlob(file), 'artifact');
  return form;
}

function publicKeyOf(privateKeyPem: string): string {
  try {
    return createPublicKey(createPrivateKey(privateKeyPem)).export({ type: 'spki', format: 'pem' }) as string;
  } catch (cause) {
    throw new BackhaulError('BH-E-SIGNATURE', { detail: 'the file is no private key in PEM', cause });
  }
}
