import type { Kind, PeerIdentifier } from '@backhaul/identity';
import { BackhaulError, type ErrorCode, isoTime, type Logger } from '@backhaul/runtime';
import express, { type Express, type Request } from 'express';
import type { AuditLog } from './audit-log.ts';
import { tokenRequest } from './enrolment-grant.ts';
import { answerProblem, noSuchRoute, type Route } from './problem-answers.ts';
import type { TokenStore } from './token-store.ts';

export const REGISTRAR_PATH = '/registrar/tokens';
export const REGISTRAR_ROUTES: readonly Route[] = [{ method: 'POST', path: REGISTRAR_PATH }];

/** What an application server may register. Its own kind, the authority's and staff's are granted by a local command only. */
const REGISTRABLE: readonly Kind[] = ['proxy', 'mlm'];

export interface RegistrarAppOptions {
  readonly peers: PeerIdentifier;
  readonly tokens: TokenStore;
  readonly audit: AuditLog;
  readonly logger: Logger;
  readonly granted: () => void;
  readonly refused: (code: ErrorCode) => void;
}

/** For application servers of the provider, by mutual TLS: asks for enrolment tokens. */
export function registrarApp({ peers, tokens, audit, logger, granted, refused }: RegistrarAppOptions): Express {
  const app = express();
  app.disable('x-powered-by').enable('case sensitive routing').enable('strict routing');
  app.use((request, _response, next) => {
    registrarOf(peers, request);
    next();
  });
  app.post(REGISTRAR_PATH, express.json({ limit: '16kb', inflate: false }), async (request, response) => {
    const asked = tokenRequest.safeParse(request.body);
    if (!asked.success) throw invalid(asked.error.issues[0]);
    if (!REGISTRABLE.includes(asked.data.identity.kind)) {
      throw new BackhaulError('BH-E-ID-KIND', {
        detail: `tokens for kind ${asked.data.identity.kind} are issued on the authority's machine`,
      });
    }
    const askedBy = registrarOf(peers, request);
    const { token, grant } = await tokens.grant(asked.data, askedBy);
    const expiresAt = isoTime(grant.expiresAt);
    await audit.append({
      event: 'token-issued',
      token: grant.id,
      id: grant.identity.id,
      names: grant.names,
      expiresAt,
      askedBy,
    });
    granted();
    response.status(201).json({ token, expiresAt });
  });
  app.use(noSuchRoute(REGISTRAR_ROUTES));
  app.use(answerProblem(logger, refused));
  return app;
}

/** Asked for every request, on open connections too. */
function registrarOf(peers: PeerIdentifier, request: Request): string {
  const { customer, kind, id } = peers.identify(request);
  if (kind !== 'appserver' || customer !== 'provider') throw new BackhaulError('BH-E-ID-KIND', { detail: id });
  return id;
}

function invalid(issue: { path: PropertyKey[]; message: string } | undefined): BackhaulError {
  return new BackhaulError('BH-E-JSON', { detail: `${issue?.path.join('.')}: ${issue?.message}` });
}
