import { BackhaulError } from '@backhaul/runtime';
import type { Request, Response } from 'express';
import { requireSameOrigin, type Session } from './sessions.ts';

/** A field of a form; empty when it is missing or not one text. */
export function field(request: Request, name: string): string {
  const body: unknown = request.body;
  const value =
    typeof body === 'object' && body !== null && Object.hasOwn(body, name)
      ? (body as Record<string, unknown>)[name]
      : '';
  return typeof value === 'string' ? value : '';
}

/** A form is taken only from a page that this portal made for this session. @throws BH-E-CSRF */
export function requireFormToken(request: Request, session: Session): void {
  requireSameOrigin(request);
  if (field(request, 'csrf') !== session.formToken) throw new BackhaulError('BH-E-CSRF');
}

export function sendPage(response: Response, document: string): void {
  response.setHeader('Cache-Control', 'no-store');
  response.type('text/html; charset=utf-8').send(document);
}
