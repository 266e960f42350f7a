import { createHash } from 'node:crypto';
import { newReleaseKey, type ReleaseKey, signManifest } from '@backhaul/identity';
import { FormData } from 'undici';

export interface ArtifactOptions {
  key?: ReleaseKey;
  version?: string;
  /** what the manifest says; the truth when left out */
  manifest?: Record<string, unknown>;
  signature?: string;
  /** the order of the parts */
  fileFirst?: boolean;
}

/** A signed artifact as staff upload it. */
export function artifactForm(
  bytes: Buffer,
  { key = newReleaseKey(), version = '1.0.0', manifest = {}, signature, fileFirst }: ArtifactOptions = {},
): { form: FormData; sha256: string } {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const text = JSON.stringify({ name: 'agent', version, format: 'archive', sha256, size: bytes.length, ...manifest });
  const form = new FormData();
  const addFile = () => form.set('file', new Blob([bytes]), 'agent.tar.gz');
  if (fileFirst) addFile();
  form.set('manifest', text);
  form.set('signature', signature ?? signManifest(key.privateKeyPem, Buffer.from(text)));
  form.set('publicKey', key.publicKeyPem);
  if (!fileFirst) addFile();
  return { form, sha256 };
}
