import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import {
  IDENTITY_FILES,
  identityDirectory,
  identityOf,
  loadTlsMaterial,
  newComponentKey,
  type TlsMaterial,
} from '@backhaul/identity';
import { type Clock, isoTime, writeFileAtomic } from '@backhaul/runtime';
import type { AuditLog } from './audit-log.ts';
import type { CertificateAuthority } from './ca-folder.ts';
import type { Issuer } from './issuer.ts';

export interface OwnCertificateOptions {
  readonly authority: CertificateAuthority;
  readonly issuer: Issuer;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly id: string;
  readonly names: readonly string[];
}

/** The certificate that the authority's own listeners show; made anew at half its life and when its names changed. */
export class OwnCertificate {
  readonly #options: OwnCertificateOptions;
  #material: TlsMaterial | undefined;

  constructor(options: OwnCertificateOptions) {
    this.#options = options;
  }

  get material(): TlsMaterial {
    if (this.#material === undefined) throw new Error('refresh has not been called');
    return this.#material;
  }

  /** True when it was made anew. */
  async refresh(): Promise<boolean> {
    const { directory } = this.#options.authority;
    this.#material = this.#stored(directory);
    if (this.#material !== undefined) return false;
    await this.#makeAnew(directory);
    this.#material = loadTlsMaterial(directory);
    return true;
  }

  #stored(directory: string): TlsMaterial | undefined {
    try {
      const material = loadTlsMaterial(directory);
      return this.#isGood(material) ? material : undefined;
    } catch {
      return undefined; // nothing there yet, or not readable: it is made again
    }
  }

  #isGood({ cert, key, ca }: TlsMaterial): boolean {
    const { names, clock, authority, id } = this.#options;
    const leaf = new X509Certificate(cert);
    const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
    const named = leaf.subject === `CN=${id}` && names.every((name) => leaf.checkHost(name) ?? leaf.checkIP(name));
    const inTime = from <= clock.now() && clock.now() < (from + to) / 2;
    const current = inTime && ca === authority.roots && cert.endsWith(authority.issuing);
    return named && current && leaf.checkPrivateKey(createPrivateKey(key));
  }

  async #makeAnew(directory: string): Promise<void> {
    const { authority, issuer, audit, id, names } = this.#options;
    const key = await newComponentKey();
    const publicKey = createPublicKey(key.privateKeyPem);
    const { chain, notAfter } = await issuer.issue(identityOf(id, authority.trustDomain), names, publicKey);
    const spkiSha256 = createHash('sha256').update(key.spki).digest('hex');
    await audit.append({
      event: 'certificate-issued',
      token: null,
      id,
      names,
      notAfter: isoTime(notAfter),
      spkiSha256,
      from: 'local',
    });
    const write = (file: string, pem: string, mode: number) =>
      writeFileAtomic(join(identityDirectory(directory), file), pem, mode);
    await write(IDENTITY_FILES.ca, authority.roots, 0o644);
    await write(IDENTITY_FILES.key, key.privateKeyPem, 0o600);
    await write(IDENTITY_FILES.cert, chain, 0o644);
  }
}
