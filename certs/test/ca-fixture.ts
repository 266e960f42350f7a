import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CertificateAuthority, certsConfig, certsParts, initCa, issueToken, openCa } from '@backhaul/certs';
import {
  type ComponentKey,
  clientOnlyTlsOptions,
  clientTlsOptions,
  ENROL_PATH,
  enrolmentProof,
  identityOf,
  newCertificateRequest,
  newComponentKey,
  PROOF_HEADER,
  parseEnrolmentToken,
  type TlsMaterial,
  TOKEN_HEADER,
} from '@backhaul/identity';
import {
  type Clock,
  type Component,
  silentLogger,
  startAll,
  stopAll,
  systemClock,
  systemRandom,
} from '@backhaul/runtime';

export const TRUST_DOMAIN = 'backhaul.example';
export const CUSTOMER = 'c0a1b2c3d';
export const MLM_ID = `${CUSTOMER}.m1`;
export const PROXY_ID = `${CUSTOMER}.p1`;

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
  /** Of problem details. */
  readonly code: string | undefined;
}

/** A certificate authority that runs, in a folder of its own. */
export class CaFixture {
  readonly directory: string;
  readonly authority: CertificateAuthority;
  readonly listeners: { enrol: string; registrar: string };
  readonly admin: string;
  readonly #components: Component[];

  constructor(o: {
    directory: string;
    authority: CertificateAuthority;
    components: Component[];
    described: { admin: string; listeners: CaFixture['listeners'] };
  }) {
    this.directory = o.directory;
    this.authority = o.authority;
    this.#components = o.components;
    this.listeners = o.described.listeners;
    this.admin = o.described.admin;
  }

  static async start(settings: object = {}, clock: Clock = systemClock): Promise<CaFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'backhaul-ca-'));
    await initCa(directory, { trustDomain: TRUST_DOMAIN });
    return CaFixture.startIn(directory, settings, clock);
  }

  static async startIn(directory: string, settings: object = {}, clock: Clock = systemClock): Promise<CaFixture> {
    const config = certsConfig.parse({ dataDirectory: directory, ...settings });
    const authority = await openCa(directory);
    const { components, describe } = certsParts({
      config,
      authority,
      logger: silentLogger,
      clock,
      random: systemRandom,
    });
    await startAll(components);
    return new CaFixture({ directory, authority, components, described: describe() });
  }

  /** Stops; the folder stays. */
  halt(): Promise<void> {
    return stopAll(this.#components);
  }

  async stop(): Promise<void> {
    await this.halt();
    rmSync(this.directory, { recursive: true });
  }

  token(id: string, names: string[] = [], ttlMs?: number): Promise<string> {
    return issueToken(this.directory, { id, names, ...(ttlMs === undefined ? {} : { ttlMs }) });
  }

  audit(): Record<string, unknown>[] {
    return readFileSync(join(this.directory, 'audit.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  /** Sends a request for `id` with a token, as a component does; `changes` makes it a bad one. */
  async enrol(
    token: string,
    id: string,
    changes: { key?: ComponentKey; csr?: string; proof?: string; tokenId?: string; names?: string[] } = {},
  ): Promise<Answer> {
    const key = changes.key ?? (await newComponentKey());
    const { id: tokenId, secret } = parseEnrolmentToken(token);
    return this.post(changes.csr ?? (await newCertificateRequest(key, identityOf(id, TRUST_DOMAIN), changes.names)), {
      [TOKEN_HEADER]: changes.tokenId ?? tokenId,
      [PROOF_HEADER]: changes.proof ?? enrolmentProof(secret, key.spki),
    });
  }

  post(body: string | Buffer, headers: Record<string, string>): Promise<Answer> {
    return this.ask('POST', ENROL_PATH, { body, headers: { 'Content-Type': 'application/pkcs10', ...headers } });
  }

  /** Any request to the enrolment listener. */
  ask(
    method: string,
    path: string,
    o: { body?: string | Buffer; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    return send(
      this.listeners.enrol,
      method,
      path,
      clientOnlyTlsOptions(this.authority.roots, (peer) => peer.kind === 'certs', TRUST_DOMAIN),
      o,
    );
  }

  /** Any request to the registrar listener, with a certificate. */
  register(material: TlsMaterial, body: unknown, o: { method?: string; path?: string } = {}): Promise<Answer> {
    const tls = clientTlsOptions(material, identityOf('provider.c1', TRUST_DOMAIN));
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return send(this.listeners.registrar, o.method ?? 'POST', o.path ?? '/registrar/tokens', tls, {
      body: text,
      headers: { 'Content-Type': 'application/json' },
    });
  }

  /** Enrols a component and gives what it then shows. */
  async material(id: string): Promise<TlsMaterial> {
    const key = await newComponentKey();
    const { text } = await this.enrol(await this.token(id), id, { key });
    return { key: key.privateKeyPem, cert: text, ca: this.authority.roots };
  }
}

export function send(
  base: string,
  method: string,
  path: string,
  tls: object,
  o: { body?: string | Buffer; headers?: Record<string, string> },
): Promise<Answer> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { ...tls, host: hostname, port, path, method, agent: false, headers: o.headers ?? {} },
      async (response) => {
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) text += chunk;
        const { statusCode: status = 0, headers } = response;
        const code = String(headers['content-type']).startsWith('application/problem+json')
          ? JSON.parse(text).code
          : undefined;
        resolve({ status, headers, text, code });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(o.body);
  });
}
