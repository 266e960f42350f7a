import { BackhaulError, isErrorCode } from '@backhaul/runtime';
import { Agent, type FormData, request } from 'undici';
import { z } from 'zod';
import type { Connection } from './connection.ts';

/** A verb waits this long for an answer before it says that there is none. */
const ANSWER_MS = 30_000;
const CONNECT_MS = 5_000;
/** Bytes of one answer; lists are paged long before this. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

const problem = z.looseObject({
  code: z.string(),
  detail: z.string().optional(),
  title: z.string().optional(),
  retryAfterMs: z.number().optional(),
});
const page = z.looseObject({ items: z.array(z.unknown()), nextCursor: z.union([z.string(), z.number()]).nullish() });

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The staff API of an application server, over TLS with the given roots. Errors are `BackhaulError`s with the server's code. */
export class ApiClient {
  readonly connection: Connection;
  readonly #agent: Agent;
  /** `Date` header of the last answer */
  serverDate: string | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
    const tls = connection.roots === undefined ? {} : { ca: connection.roots };
    this.#agent = new Agent({
      connect: { ...tls, timeout: CONNECT_MS },
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
    });
  }

  get<S extends z.ZodType>(path: string, shape: S, query: Query = {}): Promise<z.output<S>> {
    return this.#call('GET', withQuery(path, query), shape);
  }

  post<S extends z.ZodType>(path: string, shape: S, body: unknown = {}): Promise<z.output<S>> {
    return this.#call('POST', path, shape, { type: 'json', value: body });
  }

  put<S extends z.ZodType>(path: string, shape: S, body: unknown): Promise<z.output<S>> {
    return this.#call('PUT', path, shape, { type: 'json', value: body });
  }

  upload<S extends z.ZodType>(path: string, shape: S, form: FormData): Promise<z.output<S>> {
    return this.#call('POST', path, shape, { type: 'form', value: form });
  }

  /** A list, page after page, up to `limit` items. */
  async list<S extends z.ZodType>(path: string, item: S, query: Query = {}, limit = 1000): Promise<z.output<S>[]> {
    const items: z.output<S>[] = [];
    let cursor: string | number | undefined;
    do {
      const answer = await this.get(path, page, { ...query, ...(cursor === undefined ? {} : { cursor }) });
      items.push(...answer.items.map((one) => parsed(item, one, path)));
      cursor = answer.nextCursor ?? undefined;
    } while (cursor !== undefined && items.length < limit);
    return items.slice(0, limit);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #call<S extends z.ZodType>(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    shape: S,
    body?: { type: 'json'; value: unknown } | { type: 'form'; value: FormData },
  ): Promise<z.output<S>> {
    const { statusCode, text } = await this.#exchange(method, path, body);
    const document = asJson(text);
    if (statusCode >= 200 && statusCode < 300) return parsed(shape, document, path);
    throw refusal(statusCode, document, path);
  }

  async #exchange(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: { type: 'json'; value: unknown } | { type: 'form'; value: FormData },
  ) {
    const { url, token } = this.connection;
    try {
      const answer = await request(`${url}/api/v1${path}`, {
        method,
        dispatcher: this.#agent,
        headers: {
          authorization: `Bearer ${token.reveal()}`,
          accept: 'application/json',
          ...(body?.type === 'json' ? { 'content-type': 'application/json' } : {}),
        },
        body: body === undefined ? null : body.type === 'json' ? JSON.stringify(body.value) : body.value,
      });
      const date = answer.headers['date'];
      if (typeof date === 'string') this.serverDate = date;
      return { statusCode: answer.statusCode, text: await readLimited(answer.body) };
    } catch (cause) {
      throw cause instanceof BackhaulError ? cause : unreachable(url, cause);
    }
  }
}

async function readLimited(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new BackhaulError('BH-E-LIMIT-REQUEST', {
        detail: 'the answer is larger than 64 MiB; ask for less with --limit',
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function withQuery(path: string, query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}

function asJson(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parsed<S extends z.ZodType>(shape: S, document: unknown, path: string): z.output<S> {
  const result = shape.safeParse(document);
  if (result.success) return result.data;
  throw new BackhaulError('BH-E-VERSION', {
    detail: `the answer to ${path} is not what this backhaul expects: ${z.prettifyError(result.error).split('\n')[0]}`,
  });
}

function refusal(status: number, document: unknown, path: string): BackhaulError {
  const told = problem.safeParse(document);
  if (!told.success || !isErrorCode(told.data.code)) {
    return new BackhaulError('BH-E-INTERNAL', { detail: `${path} was answered with HTTP ${status}` });
  }
  const { code, detail, retryAfterMs } = told.data;
  return new BackhaulError(code, { ...(detail ? { detail } : {}), ...(retryAfterMs ? { retryAfterMs } : {}) });
}

function unreachable(url: string, cause: unknown): BackhaulError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const tls = typeof code === 'string' && /CERT|TLS|ALTNAME|ISSUER|SIGNATURE/.test(code);
  const why =
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? 'its certificate carries other names; use one of those it was enrolled with (--names)'
      : `its certificate is not trusted (${code}); give the provider's roots with --roots`;
  const detail = `${url}: ${tls ? why : (code ?? message)}`;
  return new BackhaulError('BH-E-UNREACHABLE', { detail, cause });
}
