import { ENROL_PATH, PROOF_HEADER, TOKEN_HEADER } from '@backhaul/identity';
import { BackhaulError, type ErrorCode, type Logger } from '@backhaul/runtime';
import express, { type Express } from 'express';
import type { Enrolment } from './enrolment.ts';
import { answerProblem, noSuchRoute, type Route } from './problem-answers.ts';
import type { RateLimit } from './rate-limit.ts';

export const ENROL_ROUTES: readonly Route[] = [{ method: 'POST', path: ENROL_PATH }];

const MAX_BODY = '16kb';

export interface EnrolAppOptions {
  readonly enrolment: Enrolment;
  readonly rate: RateLimit;
  readonly logger: Logger;
  readonly issued: (kind: string) => void;
  readonly refused: (code: ErrorCode) => void;
}

/** What a component without a certificate may reach: one route, which takes a request in PEM and answers a chain in PEM. */
export function enrolApp({ enrolment, rate, logger, issued, refused }: EnrolAppOptions): Express {
  const app = express();
  app.disable('x-powered-by').enable('case sensitive routing').enable('strict routing');
  app.use((request, _response, next) => {
    rate.take(request.socket.remoteAddress ?? '');
    next();
  });
  app.post(
    ENROL_PATH,
    express.text({ type: () => true, limit: MAX_BODY, inflate: false }),
    async (request, response) => {
      const from = request.socket.remoteAddress ?? '';
      const [tokenId, proof] = [request.get(TOKEN_HEADER), request.get(PROOF_HEADER)];
      if (tokenId === undefined || proof === undefined)
        throw new BackhaulError('BH-E-ENROL-TOKEN', { detail: 'token or proof is missing' });
      if (typeof request.body !== 'string')
        throw new BackhaulError('BH-E-ENROL-REQUEST', { detail: 'the body is empty' });
      const { chain, identity } = await enrolment.enrol({ tokenId, proof, csr: request.body, from });
      issued(identity.kind);
      logger.info({ enrolled: identity.id, from, audit: true }, 'certificate issued');
      response.status(200).type('application/pem-certificate-chain').send(chain);
    },
  );
  app.use(noSuchRoute(ENROL_ROUTES));
  app.use(answerProblem(logger, refused));
  return app;
}
