import { Agent, request } from 'undici';

/** Bytes of one message's own data: with its header and framing a message is about 1 KB on the wire. */
const PAYLOAD = 'x'.repeat(500);
const BATCH = 256;
const CALLS_AT_ONCE = 4;

export interface LoadResult {
  /** sequence numbers of the load that the proxy has accepted, by its own word */
  readonly accepted: number[];
  /** wall ms */
  readonly startedAt: number;
}

/**
 * Numbered messages handed to a proxy as fast as it takes them, in batches, by several calls at once. A batch that is not
 * answered, or refused with a wait, is handed in again under the same numbers: only what was answered counts as accepted.
 */
export async function load(socketPath: string, messages: number): Promise<LoadResult> {
  const agent = new Agent({ connect: { socketPath }, connections: CALLS_AT_ONCE });
  const accepted: number[] = [];
  const startedAt = performance.now();
  let next = 0;
  const caller = async () => {
    while (next < messages) {
      const from = next;
      next = Math.min(messages, from + BATCH);
      accepted.push(...(await handIn(agent, from, next)));
    }
  };
  try {
    await Promise.all(Array.from({ length: CALLS_AT_ONCE }, caller));
  } finally {
    await agent.close();
  }
  return { accepted, startedAt };
}

async function handIn(agent: Agent, from: number, to: number): Promise<number[]> {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  const body = JSON.stringify({
    messages: numbers.map((number) => ({ class: 'x-load', subclass: 'message', data: { number, payload: PAYLOAD } })),
  });
  for (;;) {
    const reply = await request('http://proxy/v1/data', {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/json' },
      body,
    });
    const answer = (await reply.body.json()) as { results?: { accepted?: boolean; id?: string; code?: string }[] };
    if (reply.statusCode === 202 && answer.results?.every((one) => one.id !== undefined)) return numbers;
    if (reply.statusCode !== 503)
      throw new Error(`the proxy said ${reply.statusCode}: ${JSON.stringify(answer).slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, Number(reply.headers['retry-after'] ?? 1) * 1000));
  }
}
