import { createPrivateKey, type KeyObject } from 'node:crypto';
import { forgeAltNames, type Identity, uriSan } from '@backhaul/identity';
import { BackhaulError, type Clock, type Random } from '@backhaul/runtime';
import { buildCertificate, expiryOf } from './build-certificate.ts';
import type { CertificateAuthority } from './ca-folder.ts';
import { BACKDATE_MS, basicConstraints, COMPONENT_KEY_USAGE, DAY_MS, extendedKeyUsage } from './certificate-profile.ts';

export interface IssuedCertificate {
  /** The component's certificate first, then the issuing one; PEM. */
  readonly chain: string;
  readonly notAfter: number;
}

/** Signs certificates of components. It asks nobody: whoever calls it has checked the request. */
export class Issuer {
  readonly #authority: CertificateAuthority;
  readonly #key: KeyObject;
  readonly #leafDays: number;
  readonly #clock: Clock;
  readonly #random: Random;
  /** When the issuing certificate ends; no certificate outlives it. */
  readonly endsAt: number;

  constructor(o: { authority: CertificateAuthority; leafDays: number; clock: Clock; random: Random }) {
    this.#authority = o.authority;
    this.#key = createPrivateKey(o.authority.issuingKey);
    this.#leafDays = o.leafDays;
    this.#clock = o.clock;
    this.#random = o.random;
    this.endsAt = expiryOf(o.authority.issuing);
  }

  /** One URI name, the DNS and IP names given, and nothing else. Throws BH-E-CONFIG when the issuing certificate has ended. */
  async issue(identity: Identity, names: readonly string[], publicKey: KeyObject): Promise<IssuedCertificate> {
    const now = this.#clock.now();
    const notAfter = Math.min(now + this.#leafDays * DAY_MS, this.endsAt);
    if (notAfter <= now) throw new BackhaulError('BH-E-CONFIG', { detail: 'the issuing certificate is past its time' });
    const plan = {
      commonName: identity.id,
      publicKey,
      issuer: this.#authority.issuing,
      issuerKey: this.#key,
      notBefore: now - BACKDATE_MS,
      notAfter,
      extensions: [
        basicConstraints(undefined),
        COMPONENT_KEY_USAGE,
        extendedKeyUsage(identity.kind),
        { name: 'subjectAltName', altNames: forgeAltNames(uriSan(identity), names) },
      ],
    };
    return { chain: `${await buildCertificate(plan, this.#random)}${this.#authority.issuing}`, notAfter };
  }
}
