import { clientOnlyTlsOptions, type Identity, loadTlsMaterial } from '@backhaul/identity';
import { BackhaulError, isErrorCode } from '@backhaul/runtime';
import { Agent, type buildConnector, request } from 'undici';
import { z } from 'zod';

const TIMEOUT_MS = 10_000;
const tokenReply = z.looseObject({ token: z.string().min(1) });
const problem = z.looseObject({ code: z.string(), detail: z.string().optional() });

export interface TokenRequest {
  readonly identity: Pick<Identity, 'customer' | 'kind' | 'id'>;
  /** DNS and IP names the certificate will carry */
  readonly names: readonly string[];
  readonly ttlMs: number;
}

/** Asks the certificate authority for enrolment tokens, over mutual TLS. */
export interface Registrar {
  token(request: TokenRequest): Promise<string>;
}

export interface RegistrarOptions {
  readonly url: string;
  readonly dataDirectory: string;
  readonly trustDomain: string;
}

/** @throws BH-E-UNREACHABLE, or whatever the authority refuses with */
export function registrarClient({ url, dataDirectory, trustDomain }: RegistrarOptions): Registrar {
  return {
    async token(wanted) {
      const agent = openAgent(dataDirectory, trustDomain);
      try {
        const answer = await request(new URL('/registrar/tokens', url), {
          ...{
            method: 'POST',
            dispatcher: agent,
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(wanted),
          },
          ...{ headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS },
        });
        return readToken(answer.statusCode, await answer.body.json());
      } catch (cause) {
        throw cause instanceof BackhaulError ? cause : unreachable(url, cause);
      } finally {
        await agent.destroy();
      }
    },
  };
}

/** Material is read at each use: the certificate may have been renewed. */
function openAgent(dataDirectory: string, trustDomain: string): Agent {
  const { key, cert, ca } = loadTlsMaterial(dataDirectory);
  const tls = clientOnlyTlsOptions(ca, ({ kind }) => kind === 'certs', trustDomain);
  return new Agent({
    connect: { ...tls, key, cert, timeout: TIMEOUT_MS } as buildConnector.BuildOptions,
  });
}

function readToken(status: number, body: unknown): string {
  const granted = tokenReply.safeParse(body);
  if (status < 300 && granted.success) return granted.data.token;
  const refused = problem.safeParse(body);
  if (refused.success && isErrorCode(refused.data.code))
    throw new BackhaulError(refused.data.code, { detail: refused.data.detail ?? 'the certificate authority refused' });
  throw new BackhaulError('BH-E-INTERNAL', { detail: `the certificate authority answered with HTTP ${status}` });
}

function unreachable(url: string, cause: unknown): BackhaulError {
  return new BackhaulError('BH-E-UNREACHABLE', {
    detail: `certificate authority at ${url}: ${cause instanceof Error ? cause.message : 'no answer'}`,
    cause,
  });
}
