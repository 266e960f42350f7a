import { Agent, request } from 'undici';

/** Bytes of one message's own data: with its header and framing a message is about 1 KB on the wire. */
export const PAYLOAD = 'x'.repeat(500);
const BATCH = 256;
const CALLS_AT_ONCE = 4;

export interface LoadOptions {
  /** messages of one call */
  readonly batch?: number;
  readonly callsAtOnce?: number;
  /** the message's own data besides its number, by its number */
  readonly payload?: (number: number) => string;
}

export interface LoadResult {
  /** ids the proxy gave to what it has accepted, by its own word */
  readonly accepted: string[];
  /** wall ms */
  readonly startedAt: number;
}

/**
 * Numbered messages handed to a proxy as fast as it takes them, in batches, by several calls at once. A batch that is not
 * answered, or refused with a wait, is handed in again under the same numbers: only what was answered counts as accepted.
 */
export async function load(socketPath: string, messages: number, options: LoadOptions = {}): Promise<LoadResult> {
  const { batch = BATCH, callsAtOnce = CALLS_AT_ONCE, payload = () => PAYLOAD } = options;
  const agent = new Agent({ connect: { socketPath }, connections: callsAtOnce });
  const accepted: string[] = [];
  const instance = await registerLoad(agent);
  const startedAt = performance.now();
  let next = 0;
  const caller = async () => {
    while (next < messages) {
      const from = next;
      next = Math.min(messages, from + batch);
      accepted.push(...(await handIn(agent, messagesOf(instance, from, next, payload))));
    }
  };
  try {
    await Promise.all(Array.from({ length: callsAtOnce }, caller));
  } finally {
    await agent.close();
  }
  return { accepted, startedAt };
}

/** The integrator and the support instance of the load; the same ones on every call. */
export async function registerLoad(agent: Agent): Promise<string> {
  const integrator = await post<{ id: string }>(agent, '/v1/integrators', {
    name: 'load',
    platform: 'load',
    version: '1',
  });
  const instance = await post<{ id: string }>(agent, '/v1/instances', {
    integrator: integrator.body.id,
    platform: 'load',
    managementId: 'load-1',
    name: 'load',
    type: 'host',
  });
  return instance.body.id;
}

interface Answer {
  readonly verdicts?: readonly { readonly accepted: boolean; readonly id?: string }[];
}

function messagesOf(instance: string, from: number, to: number, payload: (number: number) => string): object[] {
  return Array.from({ length: to - from }, (_, index) => ({
    instance,
    class: 'x-load',
    subclass: 'message',
    data: { number: from + index, payload: payload(from + index) },
  }));
}

async function handIn(agent: Agent, messages: readonly object[]): Promise<string[]> {
  for (;;) {
    const { status, body, retryAfterSeconds } = await post<Answer>(agent, '/v1/data', { messages });
    if (status === 202 && body.verdicts?.every(({ accepted }) => accepted)) return body.verdicts.map(({ id }) => id!);
    if (status !== 503) throw new Error(`the proxy said ${status}: ${JSON.stringify(body).slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, retryAfterSeconds * 1000));
  }
}

async function post<T>(
  agent: Agent,
  path: string,
  value: unknown,
): Promise<{ status: number; body: T; retryAfterSeconds: number }> {
  const reply = await request(`http://proxy${path}`, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(value),
  });
  return {
    status: reply.statusCode,
    body: (await reply.body.json()) as T,
    retryAfterSeconds: Number(reply.headers['retry-after'] ?? 1),
  };
}
