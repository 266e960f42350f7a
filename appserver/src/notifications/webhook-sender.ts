import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BackhaulError, type Clock, isoTime, type Secret, VERSION } from '@backhaul/runtime';
import { Agent, request } from 'undici';
import type { Notification, NotificationFilter, NotificationSender } from './notification.ts';
import type { WebhookConfig } from './notification-config.ts';

/** What a receiver may make us wait at most, whatever it says. */
const LONGEST_WAIT_MS = 3_600_000;
/** Of an answer nothing matters but its status; so many bytes are let in, so that the connection can be used again. */
const ANSWER_BYTES = 16 * 1024;
/** The receiver has read it and will never take it. */
const NEVER = [400, 413, 415, 422];

/**
 * Posts notifications as JSON, signed as Standard Webhooks prescribes: HMAC-SHA-256 over `id.timestamp.body`, so that a
 * receiver can tell who sent it, that nothing was changed, and how old it is. The id is the same at every attempt.
 */
export class WebhookSender implements NotificationSender {
  readonly use = 'webhook';
  readonly name: string;
  readonly target: string;
  readonly filter: NotificationFilter;
  readonly #url: string;
  readonly #key: Secret;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #agent: Agent;

  constructor(config: WebhookConfig, clock: Clock) {
    const { name, url, secret, timeoutMs, filter, roots } = config;
    this.name = name;
    this.target = shownOf(url);
    this.filter = filter;
    this.#url = url;
    this.#key = secret;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    const ca = roots === undefined ? {} : { ca: readFileSync(roots, 'utf8') };
    this.#agent = new Agent({ connections: 1, connect: { ...ca, timeout: timeoutMs } });
  }

  async send(notification: Notification, signal: AbortSignal): Promise<void> {
    const body = JSON.stringify({ ...notification, at: isoTime(notification.at) });
    const limit = new AbortController();
    const timer = this.#clock.after(this.#timeoutMs, () => limit.abort());
    const { status, retryAfter } = await this.#post(notification.id, body, AbortSignal.any([signal, limit.signal]))
      .catch((cause: Error) => {
        throw failure(limit.signal.aborted ? `no answer within ${this.#timeoutMs} ms` : cause.message, cause);
      })
      .finally(() => timer.cancel());
    if (status >= 200 && status < 300) return;
    if (NEVER.includes(status)) throw new BackhaulError('BH-E-NOTIFY-REFUSED', { detail: `HTTP ${status}` });
    throw failure(`HTTP ${status}`, undefined, waitOf(retryAfter)); // a redirect too: nobody is followed anywhere
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #post(id: string, body: string, signal: AbortSignal): Promise<{ status: number; retryAfter: unknown }> {
    const timestamp = String(Math.floor(this.#clock.now() / 1_000));
    const answer = await request(this.#url, {
      method: 'POST',
      dispatcher: this.#agent,
      signal,
      headersTimeout: this.#timeoutMs,
      bodyTimeout: this.#timeoutMs,
      headers: {
        'content-type': 'application/json',
        'user-agent': `backhaul/${VERSION}`,
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatureOf(this.#key, id, timestamp, body),
      },
      body,
    });
    await answer.body.dump({ limit: ANSWER_BYTES, signal }).catch(() => undefined);
    return { status: answer.statusCode, retryAfter: answer.headers['retry-after'] };
  }
}

/** `v1,` and the base64 of the HMAC. */
export function signatureOf(secret: Secret, id: string, timestamp: string, body: string): string {
  const mac = createHmac('sha256', keyBytes(secret)).update(`${id}.${timestamp}.${body}`);
  return `v1,${mac.digest('base64')}`;
}

function keyBytes(secret: Secret): Buffer {
  const text = secret.reveal();
  return text.startsWith('whsec_') ? Buffer.from(text.slice('whsec_'.length), 'base64') : Buffer.from(text, 'utf8');
}

function failure(detail: string, cause?: unknown, retryAfterMs?: number): BackhaulError {
  return new BackhaulError('BH-E-NOTIFY', { detail, cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

/** Seconds only; a date would need the receiver's clock to be right. */
function waitOf(header: unknown): number | undefined {
  const seconds = typeof header === 'string' && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
  return seconds === undefined ? undefined : Math.min(seconds * 1_000, LONGEST_WAIT_MS);
}

/** A path may hold a token (chat services have it there), and so may a query. */
function shownOf(url: string): string {
  const { origin, pathname, search } = new URL(url);
  return pathname === '/' && search === '' ? origin : `${origin}/…`;
}
