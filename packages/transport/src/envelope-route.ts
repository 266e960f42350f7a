import type { IncomingMessage, ServerResponse } from 'node:http';
import { LIMITS } from '@backhaul/envelope';
import { answerExchange, type ExchangeContext } from './envelope-exchange.ts';
import { readRequestBody } from './request-body.ts';
import type { Peer } from './types.ts';

/** The HTTP around an exchange. Throws the coded refusal of the whole request; nothing was written then. */
export async function serveEnvelope(
  context: ExchangeContext,
  request: IncomingMessage,
  response: ServerResponse,
  peer: Peer,
  gone: AbortSignal,
): Promise<void> {
  const body = () => readRequestBody(request, LIMITS.envelopeBytes);
  const answer = await answerExchange(context, { peer, headers: request.headers, body, gone });
  response.writeHead(answer.status, {
    ...answer.headers,
    ...(context.draining() ? { connection: 'close' } : {}),
    'content-length': answer.body.length,
  });
  response.end(answer.body);
}
