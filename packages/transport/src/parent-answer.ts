import { decodeBody } from '@backhaul/envelope';
import { BackhaulError, type ErrorCode, isErrorCode, toBackhaulError } from '@backhaul/runtime';
import { boundedWait } from './backoff.ts';
import type { Answer } from './parent-connection.ts';
import { single, WIRE_HEADERS } from './wire-headers.ts';

type AnswerHeaders = Record<string, string | string[] | undefined>;

/** Whole-envelope refusals that concern the content of this envelope alone: sending it again cannot help. */
const CONTENT_REFUSAL = /^BH-E-(MIME|XML|LIMIT|CHAR|NAME)/;

export function concernsContent(error: BackhaulError): boolean {
  return CONTENT_REFUSAL.test(error.code) && !error.retryable;
}

/** What came back for an envelope, as it came over the line. Throws the coded refusal when it is not a 200. */
export async function readAnswer(status: number, headers: AnswerHeaders, body: Buffer): Promise<Answer> {
  if (status !== 200) throw readRefusal(status, headers, body);
  return {
    body: await decodeBody(single(headers['content-encoding']), body).catch((cause) =>
      Promise.reject(unreadable(cause)),
    ),
    contentType: single(headers['content-type']) ?? '',
    mailbox: single(headers[WIRE_HEADERS.mailbox]),
    date: dateOf(single(headers['date'])),
  };
}

/** It says nothing of what was sent: it is no refusal of it. */
export function unreadable(cause: unknown): BackhaulError {
  const { code } = toBackhaulError(cause);
  return new BackhaulError('BH-E-PARENT-UNREACHABLE', { detail: `its answer cannot be read: ${code}`, cause });
}

/** Middle of the second that the header names. */
function dateOf(text: string | undefined): number | undefined {
  const second = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(second) ? undefined : second + 500;
}

/** What a parent (or something in between) answered instead of 200, as a coded error. */
export function readRefusal(status: number, headers: AnswerHeaders, body: Buffer): BackhaulError {
  const problem = parseProblem(headers, body);
  const told = Number(headers['retry-after']) * 1000;
  const waitMs = problem.retryAfterMs ?? (Number.isFinite(told) ? told : undefined);
  return new BackhaulError(problem.code ?? 'BH-E-PARENT-UNREACHABLE', {
    detail: problem.detail ?? `HTTP ${status}`,
    ...(waitMs === undefined ? {} : { retryAfterMs: boundedWait(waitMs) }),
  });
}

/** Anything thrown on the way to the parent; a certificate that is not the configured parent's is told apart. */
export function unreachable(cause: unknown): BackhaulError {
  if (cause instanceof BackhaulError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const coded = (cause as Error).cause;
  if (coded instanceof BackhaulError) return coded;
  const foreign = /^(CERT_|ERR_TLS_CERT|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA)/.test(
    code ?? '',
  );
  return new BackhaulError(foreign ? 'BH-E-ID-PARENT' : 'BH-E-PARENT-UNREACHABLE', {
    detail: [code, message].filter(Boolean).join(': ').slice(0, 200),
    cause,
  });
}

interface Problem {
  readonly code?: ErrorCode;
  readonly detail?: string;
  readonly retryAfterMs?: number;
}

function parseProblem(headers: AnswerHeaders, body: Buffer): Problem {
  if (!String(headers['content-type'] ?? '').startsWith('application/problem+json')) return {};
  try {
    const { code, detail, retryAfterMs } = JSON.parse(body.toString()) as Record<string, unknown>;
    return {
      ...(typeof code === 'string' && isErrorCode(code) ? { code } : {}),
      ...(typeof detail === 'string' ? { detail: detail.slice(0, 200) } : {}),
      ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? { retryAfterMs } : {}),
    };
  } catch {
    return {};
  }
}
