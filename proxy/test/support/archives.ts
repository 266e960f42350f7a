import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { newReleaseKey, type ReleaseKey, signManifest } from '@backhaul/identity';
import { type Header, pack } from 'tar-stream';
import type { SignedManifest } from '../../src/installer/judgement.ts';

export type TestEntry = Partial<Omit<Header, 'type'>> & {
  readonly name: string;
  readonly type?: string;
  readonly text?: string | Buffer;
};

/** A tar of exactly these entries, whatever they are. */
export async function tar(entries: readonly TestEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { text = '', ...header } of entries) archive.entry(header as Parameters<typeof archive.entry>[0], text);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function tarGz(entries: readonly TestEntry[]): Promise<Buffer> {
  return gzipSync(await tar(entries));
}

export const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export const releaseKey: ReleaseKey = newReleaseKey();
export const otherKey: ReleaseKey = newReleaseKey();

export interface TestArtifact extends SignedManifest {
  readonly bytes: Buffer;
  readonly sha256: string;
  readonly size: number;
}

export function signed(
  bytes: Buffer,
  fields: Record<string, unknown> = {},
  key: ReleaseKey = releaseKey,
): TestArtifact {
  const sha256 = sha256Of(bytes);
  const manifest = JSON.stringify({
    name: 'demo-tool',
    version: '1.0.0',
    format: 'archive',
    sha256,
    size: bytes.length,
    ...fields,
  });
  return {
    manifest,
    signature: signManifest(key.privateKeyPem, Buffer.from(manifest)),
    publicKey: key.publicKeyPem,
    bytes,
    sha256,
    size: bytes.length,
  };
}

export async function writePolicy(
  path: string,
  policy: object = { allow: [{ key: releaseKey.name, name: 'demo-*' }] },
): Promise<void> {
  await writeFile(path, JSON.stringify(policy));
}
