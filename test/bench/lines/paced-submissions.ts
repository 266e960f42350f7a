import { Agent, request } from 'undici';
import { PAYLOAD, registerLoad } from '../../load/load.ts';
import { steadyMs } from '../measure/steady-clock.ts';

const CONNECTIONS = 16;

/** One message a call, so many a second; steady ms of each call's begin, by the ID that the proxy gave. */
export async function pacedSubmissions(
  socketPath: string,
  messages: number,
  perSecond: number,
): Promise<ReadonlyMap<string, number>> {
  const agent = new Agent({ connect: { socketPath }, connections: CONNECTIONS });
  try {
    const instance = await registerLoad(agent);
    const sent = new Map<string, number>();
    const calls: Promise<void>[] = [];
    const from = steadyMs();
    for (let n = 0; n < messages; n += 1) {
      const early = from + (n * 1000) / perSecond - steadyMs();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      calls.push(handIn(agent, instance, n, sent));
    }
    await Promise.all(calls);
    return sent;
  } finally {
    await agent.close();
  }
}

async function handIn(agent: Agent, instance: string, number: number, sent: Map<string, number>): Promise<void> {
  const message = { instance, class: 'x-load', subclass: 'paced', data: { number, payload: PAYLOAD } };
  const at = steadyMs();
  const reply = await request('http://proxy/v1/data', {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [message] }),
  });
  const { verdicts } = (await reply.body.json()) as { verdicts: { accepted: boolean; id: string }[] };
  if (!verdicts?.[0]?.accepted) throw new Error(`the proxy said ${reply.statusCode}`);
  sent.set(verdicts[0].id, at);
}
