import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import {
  type ComponentKey,
  certificateIdentity,
  clientOnlyTlsOptions,
  componentKey,
  ENROL_PATH,
  enrolmentProof,
  IDENTITY_FILES,
  type Identity,
  identityDirectory,
  newCertificateRequest,
  newComponentKey,
  PROOF_HEADER,
  parseEnrolmentToken,
  rootFingerprint,
  sameIdentity,
  TOKEN_HEADER,
} from '@backhaul/identity';
import { BackhaulError, isErrorCode, writeFileAtomic } from '@backhaul/runtime';

/** The way of an enrolment. The key is on disk before it is used, so a lost answer is asked for again with the same key. */
export const ENROLMENT_STEPS = ['pinRoots', 'ownKey', 'makeRequest', 'post', 'checkCertificate', 'store'] as const;

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;

export interface EnrolOptions {
  /** `https://ca.example:9443`; the path is ours. */
  readonly enrolUrl: string;
  readonly rootsPem: string;
  /** Hex; what the site package pins. */
  readonly rootsSha256: string;
  /** `<id>.<secret>` */
  readonly token: string;
  readonly identity: Identity;
  /** DNS and IP names asked for; the token grants them or not. */
  readonly names?: readonly string[];
  readonly dataDirectory: string;
}

/**
 * Makes this component's key in place and gets it certified; writes `<dataDirectory>/identity/`.
 * Throws BH-E-ENROL-*, BH-E-RATE, BH-E-UNREACHABLE.
 */
export async function enrol(options: EnrolOptions): Promise<void> {
  const { identity, rootsPem, dataDirectory } = options;
  if (rootFingerprint(rootsPem) !== options.rootsSha256.toLowerCase()) {
    throw new BackhaulError('BH-E-ENROL-ROOTS', { detail: 'the roots are not the ones whose SHA-256 is given' });
  }
  const token = parseEnrolmentToken(options.token);
  const key = await ownKey(dataDirectory);
  const body = await newCertificateRequest(key, identity, options.names);
  const chain = await post(options, body, {
    [TOKEN_HEADER]: token.id,
    [PROOF_HEADER]: enrolmentProof(token.secret, key.spki),
  });
  checkCertificate(chain, key, identity, rootsPem);
  await store(dataDirectory, IDENTITY_FILES.ca, rootsPem);
  await store(dataDirectory, IDENTITY_FILES.cert, chain);
}

async function ownKey(dataDirectory: string): Promise<ComponentKey> {
  const file = join(identityDirectory(dataDirectory), IDENTITY_FILES.key);
  const there = await readFile(file, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (there !== undefined) return componentKey(there);
  const key = await newComponentKey();
  await store(dataDirectory, IDENTITY_FILES.key, key.privateKeyPem);
  return key;
}

function store(dataDirectory: string, file: string, pem: string): Promise<void> {
  return writeFileAtomic(
    join(identityDirectory(dataDirectory), file),
    pem,
    file === IDENTITY_FILES.key ? 0o600 : 0o644,
  );
}

function post(options: EnrolOptions, body: string, headers: Record<string, string>): Promise<string> {
  const { trustDomain } = options.identity;
  const isAuthority = (peer: Identity) => peer.kind === 'certs' && peer.customer === 'provider';
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(ENROL_PATH, options.enrolUrl), {
      ...clientOnlyTlsOptions(options.rootsPem, isAuthority, trustDomain),
      method: 'POST',
      agent: false,
      timeout: TIMEOUT_MS,
      headers: { ...headers, 'Content-Type': 'application/pkcs10', 'Content-Length': Buffer.byteLength(body) },
    });
    outgoing.on('timeout', () =>
      outgoing.destroy(new BackhaulError('BH-E-UNREACHABLE', { detail: 'no answer in 30 s' })),
    );
    outgoing.on('error', (cause) => reject(connectionError(cause, options.enrolUrl)));
    outgoing.on('response', async (response) => {
      try {
        const answer = await readAnswer(response);
        if (response.statusCode !== 200) throw refusal(answer, response.statusCode);
        resolve(answer);
      } catch (error) {
        outgoing.destroy();
        reject(error);
      }
    });
    outgoing.end(body);
  });
}

async function readAnswer(response: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new BackhaulError('BH-E-ENROL-REQUEST', { detail: 'the answer is too large' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A server that OpenSSL or its name refuses is another authority; everything else is the line. */
function connectionError(cause: Error & { code?: string }, enrolUrl: string): BackhaulError {
  const foreign = /CERT|SIGNATURE|ISSUER|CHAIN|PURPOSE|BH-E-ID-PARENT/.test(cause.code ?? '');
  const dates = /NOT_YET_VALID|HAS_EXPIRED/.test(cause.code ?? '') ? '; compare the clocks of the two machines' : '';
  return new BackhaulError(foreign ? 'BH-E-ENROL-ROOTS' : 'BH-E-UNREACHABLE', {
    detail: `${new URL(enrolUrl).host}: ${cause.code ?? cause.message}${dates}`,
    cause,
  });
}

function refusal(answer: string, status: number | undefined): BackhaulError {
  const problem = parseProblem(answer);
  const code = typeof problem.code === 'string' && isErrorCode(problem.code) ? problem.code : 'BH-E-UNREACHABLE';
  return new BackhaulError(code, {
    detail: typeof problem.detail === 'string' ? problem.detail : `the certificate authority answered ${status}`,
    ...(typeof problem.retryAfterMs === 'number' ? { retryAfterMs: problem.retryAfterMs } : {}),
  });
}

function parseProblem(answer: string): { code?: unknown; detail?: unknown; retryAfterMs?: unknown } {
  try {
    const problem: unknown = JSON.parse(answer);
    return typeof problem === 'object' && problem !== null ? problem : {};
  } catch {
    return {};
  }
}

/** What came back must be for our key and name and hang below the pinned root, before it is used. */
function checkCertificate(chain: string, key: ComponentKey, identity: Identity, rootsPem: string): void {
  const [leaf, issuer] = (chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
  const root = new X509Certificate(rootsPem);
  const above = issuer ?? root;
  const signed = leaf?.verify(above.publicKey) && (above === root || above.verify(root.publicKey));
  const ours = leaf?.publicKey.export({ type: 'spki', format: 'der' }).equals(key.spki);
  if (!signed || !ours)
    throw new BackhaulError('BH-E-ENROL-ROOTS', {
      detail: 'the certificate is not for our key or not by the pinned root',
    });
  if (!sameIdentity(certificateIdentity(leaf!.raw, identity.trustDomain, 'client'), identity)) {
    throw new BackhaulError('BH-E-ENROL-REQUEST', { detail: 'the certificate names another component' });
  }
}
