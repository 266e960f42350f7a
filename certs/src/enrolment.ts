import { createHash } from 'node:crypto';
import {
  type AltNames,
  type CertificateRequest,
  type Identity,
  NO_NAMES,
  proofMatches,
  readCertificateRequest,
  uriSan,
} from '@backhaul/identity';
import { BackhaulError, isoTime } from '@backhaul/runtime';
import type { AuditLog } from './audit-log.ts';
import type { EnrolmentGrant } from './enrolment-grant.ts';
import type { Issuer } from './issuer.ts';
import type { TokenStore } from './token-store.ts';

/** The way of an enrolment. A request refused before `claim` leaves the token as it was. */
export const ENROLMENT_STEPS = [
  'findGrant',
  'readRequest',
  'checkProof',
  'checkNames',
  'claim',
  'issue',
  'record',
] as const;

export interface EnrolmentRequest {
  readonly tokenId: string;
  readonly proof: string;
  /** PKCS#10 in PEM */
  readonly csr: string;
  /** Address, for the audit log. */
  readonly from: string;
}

/** Turns a token and a request into one certificate. */
export class Enrolment {
  readonly #trustDomain: string;
  readonly #tokens: TokenStore;
  readonly #issuer: Issuer;
  readonly #audit: AuditLog;
  /** Uses of one token wait for each other, so that a repeated request finds the certificate of the first. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(o: { trustDomain: string; tokens: TokenStore; issuer: Issuer; audit: AuditLog }) {
    this.#trustDomain = o.trustDomain;
    this.#tokens = o.tokens;
    this.#issuer = o.issuer;
    this.#audit = o.audit;
  }

  /** The certificate chain in PEM. Throws BH-E-ENROL-TOKEN, BH-E-ENROL-PROOF, BH-E-ENROL-REQUEST. */
  async enrol(request: EnrolmentRequest): Promise<{ chain: string; identity: Identity }> {
    const grant = await this.#tokens.find(request.tokenId);
    const csr = readCertificateRequest(request.csr);
    if (!proofMatches(this.#tokens.secretOf(grant.id), csr.spki, request.proof))
      throw new BackhaulError('BH-E-ENROL-PROOF');
    const identity = { trustDomain: this.#trustDomain, ...grant.identity };
    checkNames(csr.names, grant, uriSan(identity));
    const chain = await this.#inTurn(grant.id, () => this.#certify(grant, identity, csr, request.from));
    return { chain, identity };
  }

  async #certify(grant: EnrolmentGrant, identity: Identity, csr: CertificateRequest, from: string): Promise<string> {
    const spkiSha256 = createHash('sha256').update(csr.spki).digest('hex');
    await this.#tokens.claim(grant.id, spkiSha256);
    const earlier = await this.#tokens.certificate(grant.id);
    if (earlier !== undefined) return earlier;
    const { chain, notAfter } = await this.#issuer.issue(identity, grant.names, csr.publicKey);
    const { names, id: token } = grant;
    await this.#audit.append({
      event: 'certificate-issued',
      token,
      id: identity.id,
      names,
      notAfter: isoTime(notAfter),
      spkiSha256,
      from,
    });
    await this.#tokens.storeCertificate(grant.id, chain);
    return chain;
  }

  async #inTurn<T>(id: string, action: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(id) ?? Promise.resolve();
    const turn = before.then(action, action);
    this.#busy.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#busy.get(id) === turn) this.#busy.delete(id);
    }
  }
}

/** A request may ask for less than the token grants, never for more. */
function checkNames(asked: AltNames, grant: EnrolmentGrant, uri: string): void {
  if (asked === NO_NAMES) return;
  const further = [...asked.dns.map((name) => name.toLowerCase()), ...asked.ips].filter(
    (name) => !grant.names.includes(name),
  );
  if (asked.uris.length !== 1 || asked.uris[0] !== uri)
    throw refused('it asks for another identity than the token grants');
  if (asked.other > 0) throw refused('it asks for kinds of names that are never granted');
  if (further.length > 0) throw refused(`it asks for the name ${further[0]}, which the token does not grant`);
}

function refused(detail: string): BackhaulError {
  return new BackhaulError('BH-E-ENROL-REQUEST', { detail });
}
