// The load of the fault harness, a process of its own: hands messages to proxies and commands to the application server, and
// writes down what it meant to do and what it was told. `pause`, `resume` and `stop` come on standard input, a line each.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { seededRandom } from '@backhaul/testkit';
import { Agent, type Dispatcher, request } from 'undici';
import { contentHash, Journal } from './journal.ts';
import { type LoadKind, type LoadMessage, loadMessage, pick } from './messages.ts';

export interface GeneratorConfig {
  readonly journal: string;
  readonly seed: number;
  readonly proxies: readonly { readonly id: string; readonly socket: string }[];
  readonly staff: { readonly url: string; readonly secret: string; readonly rootsPem: string; readonly group: string };
  /** ms between two requests of one sender */
  readonly paceMs: number;
  readonly commandEveryMs: number;
}

/** What each proxy is sent, a sequential sender for each line. */
const SENDERS: readonly (readonly LoadKind[])[] = [['plain'], ['plain', 'plain', 'short', 'noise', 'sample', 'sample']];
const MAX_BATCH = 16;
const DOWN_MS = 100;
const UNKNOWN = 'BH-E-NOT-FOUND';
const CALL_LIMIT_MS = 20_000;
const COMMAND_LIFE_MS = 3_600_000;

const config = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as GeneratorConfig;
const journal = new Journal(config.journal);
const control = { paused: true, stopped: false, resumed: Promise.withResolvers<void>() };
const busy = new Set<Promise<void>>();

for (const [index, proxy] of config.proxies.entries())
  for (const [line, kinds] of SENDERS.entries()) busy.add(sender(`p${index + 1}s${line + 1}`, proxy, kinds));
busy.add(commander());
listen();

function listen(): void {
  createInterface({ input: process.stdin })
    .on('line', (word) => {
      if (word === 'resume') {
        control.paused = false;
        control.resumed.resolve();
      } else if (word === 'stop') {
        finish();
      } else if (!control.paused) {
        control.paused = true;
        control.resumed = Promise.withResolvers();
      }
    })
    .on('close', finish);
}

function finish(): void {
  control.stopped = true;
  control.resumed.resolve();
  void Promise.all(busy).then(() => process.exit(0));
}

/** Says between two requests that it rests, and waits while the load is paused. */
const resting = new Set<string>();
async function rest(name: string, ms: number): Promise<void> {
  if (control.paused && !control.stopped) {
    resting.add(name);
    if (resting.size === busy.size) console.log('paused');
    await control.resumed.promise;
    resting.delete(name);
  }
  await new Promise((resolve) => setTimeout(resolve, ms));
}

async function sender(name: string, proxy: { id: string; socket: string }, kinds: readonly LoadKind[]): Promise<void> {
  const random = seededRandom(config.seed + contentNumber(name));
  const agent = new Agent({ connect: { socketPath: proxy.socket } });
  let instance: string | undefined;
  let again: readonly LoadMessage[] | undefined;
  for (let turn = 0; !control.stopped; ) {
    instance ??= await register(agent, name);
    if (instance === undefined) {
      await rest(name, DOWN_MS);
      continue;
    }
    const batch: readonly LoadMessage[] =
      again ??
      Array.from({ length: 1 + pick(random, MAX_BATCH) }, (_, index) =>
        loadMessage(kinds[pick(random, kinds.length)]!, name, turn + index, random),
      );
    const { waitMs, known, answered } = await handIn(agent, name, turn, proxy.id, instance, batch);
    if (!known) instance = undefined;
    await rest(name, waitMs);
    again = !answered && batch.every(({ submission }) => 'eventId' in submission) ? batch : undefined;
    if (again === undefined) turn += batch.length;
  }
  await agent.destroy();
}

/**
 * Hands a batch in. Gives the ms to wait before the next one, whether the proxy knows the support instance (a restored one may
 * not), and whether it answered at all; if not, only events are handed in again.
 */
async function handIn(
  agent: Dispatcher,
  name: string,
  turn: number,
  source: string,
  instance: string,
  batch: readonly LoadMessage[],
): Promise<{ waitMs: number; known: boolean; answered: boolean }> {
  journal.write({ t: 'intent', sender: name, turn, items: batch.map(({ uid, json }) => [uid, contentHash(json)]) });
  const answer = await post<Answer>(agent, '/v1/data', {
    messages: batch.map(({ submission }) => ({ instance, ...submission })),
  });
  if (answer === undefined) return { waitMs: DOWN_MS, known: true, answered: false };
  const { status, body, retryAfterSeconds } = answer;
  if (status !== 202 || body.verdicts === undefined) {
    journal.write({ t: 'refused', items: batch.map(({ uid }) => uid) });
    const waitMs = status === 503 ? Math.min(retryAfterSeconds * 1_000, 500) : config.paceMs;
    return { waitMs, known: body.code !== UNKNOWN, answered: true };
  }
  const answered = batch.map(({ uid }, index) => ({ uid, ...body.verdicts![index]! }));
  const accepted = answered.flatMap(({ uid, id, lane, sequence }): [string, string, number, number][] =>
    id === undefined ? [] : [[uid, id, lane!, sequence!]],
  );
  const refused = answered.filter(({ accepted }) => !accepted);
  if (accepted.length > 0) journal.write({ t: 'accepted', source, epoch: body.epoch!, items: accepted });
  if (refused.length > 0) journal.write({ t: 'refused', items: refused.map(({ uid }) => uid) });
  return { waitMs: config.paceMs, known: refused.every(({ code }) => code !== UNKNOWN), answered: true };
}

interface Answer {
  readonly epoch?: string;
  readonly code?: string;
  readonly verdicts?: readonly { accepted: boolean; code?: string; id?: string; lane?: number; sequence?: number }[];
}

async function register(agent: Dispatcher, name: string): Promise<string | undefined> {
  const integrator = await post<{ id?: string }>(agent, '/v1/integrators', { name, platform: 'load', version: '1' });
  if (integrator?.body.id === undefined) return undefined;
  const about = { integrator: integrator.body.id, platform: 'load', managementId: name, name, type: 'host' };
  return (await post<{ id?: string }>(agent, '/v1/instances', about))?.body.id;
}

/** Commands to all proxies of the site; one that was not answered is none that was given. */
async function commander(): Promise<void> {
  const { staff } = config;
  const agent = new Agent({ connect: { ca: staff.rootsPem } });
  const members = config.proxies.map(({ id }) => id);
  while (!control.stopped) {
    const body = { destination: { group: staff.group }, command: 'ping', expiresInMs: COMMAND_LIFE_MS };
    const answer = await post<{ id?: string }>(agent, '/api/v1/commands', body, staff);
    if (answer?.status === 202 && answer.body.id !== undefined)
      journal.write({ t: 'command', id: answer.body.id, members });
    await rest('commander', config.commandEveryMs);
  }
  await agent.destroy();
}

/** Undefined when there was no whole answer. */
async function post<T>(
  dispatcher: Dispatcher,
  path: string,
  value: unknown,
  to: { url: string; secret?: string } = { url: 'http://proxy' },
): Promise<{ status: number; body: T; retryAfterSeconds: number } | undefined> {
  try {
    const reply = await request(`${to.url}${path}`, {
      method: 'POST',
      dispatcher,
      headers: {
        'content-type': 'application/json',
        ...(to.secret === undefined ? {} : { authorization: `Bearer ${to.secret}` }),
      },
      body: JSON.stringify(value),
      headersTimeout: CALL_LIMIT_MS,
      bodyTimeout: CALL_LIMIT_MS,
    });
    return {
      status: reply.statusCode,
      body: (await reply.body.json()) as T,
      retryAfterSeconds: Number(reply.headers['retry-after'] ?? 1),
    };
  } catch {
    return undefined;
  }
}

/** A different seed for each sender. */
function contentNumber(name: string): number {
  return [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
}
