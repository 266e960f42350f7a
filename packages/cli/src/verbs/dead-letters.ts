import { z } from 'zod';
import { anything, created } from '../api-shapes.ts';
import type { ApiClient } from '../client.ts';
import { formatTime } from '../format.ts';
import { renderTable } from '../table.ts';
import { printable, printableLines } from '../terminal-text.ts';
import { type Result, usage, type Verb, type VerbCall } from '../verb.ts';
import { answersOf } from './send.ts';

const DEFAULT_WAIT_MS = 30_000;
const DEFAULT_LIMIT = 50;
const MOST = 500;
const AT = [
  '--at <component>',
  'those of a proxy or an MLM, asked by a command; this application server’s when left out',
] as const;
const TIMEOUT = ['--timeout <time>', 'how long to wait for the answer of a component (30s when left out)'] as const;

const letter = z.looseObject({
  number: z.number(),
  id: z.string(),
  source: z.string(),
  class: z.string(),
  subclass: z.string(),
  code: z.string(),
  detail: z.string().nullish(),
  at: z.union([z.number(), z.string()]).nullish(),
});
const letters = z.looseObject({ items: z.array(letter), nextCursor: z.string().nullish(), next: z.number().nullish() });
/** The outcome of a component that has not done it; a letter has no `command`. */
const undone = z.looseObject({
  command: z.string(),
  component: z.string().optional(),
  state: z.string(),
  code: z.string().nullish(),
  text: z.string().nullish(),
});

export const deadLettersList: Verb = {
  path: 'dead-letters list',
  summary: 'messages that failed again and again and were set aside',
  options: [
    AT,
    TIMEOUT,
    ['--after <number>', 'those behind this number'],
    ['--limit <n>', `at most so many (${DEFAULT_LIMIT} when left out, ${MOST} at a time)`],
    ['--state <state>', 'waiting, replayed or discarded; of this application server only'],
  ],
  connects: true,
  groupDefault: true,
  examples: ['backhaul dead-letters', 'backhaul dead-letters list --at c7k2m9qx1.m1'],
  run: async (call) => {
    const { options, width } = call;
    const client = await call.api();
    const after = options.number('after', 1);
    const page = { ...(after === undefined ? {} : { after }), limit: limitOf(call) };
    const at = options.text('at');
    const document =
      at === undefined
        ? await client.get('/dead-letters', letters, { state: options.text('state') ?? 'waiting', ...page })
        : await askComponent(call, client, at, '', page);
    const { data } = letters.safeParse(document);
    return data ? { json: document, text: listed(data, width) } : answered(document);
  },
};

export const deadLettersShow: Verb = {
  path: 'dead-letters show',
  summary: 'one of them, with header and content',
  arguments: [['<number>', 'its number']],
  options: [AT, TIMEOUT],
  connects: true,
  examples: ['backhaul dead-letters show 7', 'backhaul dead-letters show 7 --at c7k2m9qx1.m1'],
  run: async (call) => {
    const number = numberOf(call);
    const client = await call.api();
    const at = call.options.text('at');
    return answered(
      at === undefined
        ? await client.get(`/dead-letters/${number}`, anything)
        : await askComponent(call, client, at, `/${number}/read`, {}),
    );
  },
};

export const deadLettersReplay: Verb = {
  path: 'dead-letters replay',
  summary: 'try one again: here by the service modules, at a component by sending it anew',
  arguments: [['<number>', 'its number']],
  options: [AT, TIMEOUT],
  connects: true,
  examples: ['backhaul dead-letters replay 7', 'backhaul dead-letters replay 7 --at c7k2m9qx1.p1'],
  run: (call) => decide(call, 'replay', {}),
};

export const deadLettersDiscard: Verb = {
  path: 'dead-letters discard',
  summary: 'give one up; the reason is kept',
  arguments: [['<number>', 'its number']],
  options: [['--reason <text>', 'why; it is kept with the message’s number'], AT, TIMEOUT],
  connects: true,
  examples: ['backhaul dead-letters discard 7 --reason "test data"'],
  run: (call) => decide(call, 'discard', { reason: call.options.required('reason') }),
};

export const revoke: Verb = {
  path: 'revoke',
  summary: 'take back a command or a push from the members it has not reached',
  arguments: [['<id>', 'the command or push, as `send` and `push` told it']],
  options: [['--reason <text>', 'why; the members’ outcomes show it']],
  connects: true,
  examples: ['backhaul revoke 06f3x… --reason "wrong site"'],
  run: async ({ api, args, options }) => {
    const shape = z.looseObject({ revoked: z.array(z.string()), asked: z.array(z.string()) });
    const body = { reason: options.required('reason') };
    const answer = await (await api()).post(`/messages/${encodeURIComponent(args[0]!)}/revoke`, shape, body);
    const text = `taken back from ${answer.revoked.length} members; asked for at the hops of ${answer.asked.length} more`;
    return { json: answer, text };
  },
};

async function decide(call: VerbCall, verb: 'replay' | 'discard', body: object): Promise<Result> {
  const number = numberOf(call);
  const client = await call.api();
  const at = call.options.text('at');
  return answered(
    at === undefined
      ? await client.post(`/dead-letters/${number}/${verb}`, anything, body)
      : await askComponent(call, client, at, `/${number}/${verb}`, body),
  );
}

/** The answer of one component; its outcome as it is when it has not done it. */
async function askComponent(
  call: VerbCall,
  client: ApiClient,
  at: string,
  what: string,
  body: object,
): Promise<unknown> {
  const { id } = await client.post(`/components/${encodeURIComponent(at)}/dead-letters${what}`, created, body);
  const timeoutMs = call.options.durationMs('timeout') ?? DEFAULT_WAIT_MS;
  const [member] = (await answersOf(client, call.cli.clock, id, timeoutMs)).members;
  return member?.state === 'done' ? (member.result ?? { state: 'done' }) : { command: id, ...member };
}

/** Exit code 1 when a component has not done what it was asked, with its own words. */
function answered(document: unknown): Result {
  const { data } = undone.safeParse(document);
  if (!data) return { json: document, text: printableLines(JSON.stringify(document, null, 2)) };
  const { component = '', state, code, text } = data;
  const why = [code, text].filter((part) => part != null).join(': ') || `see \`backhaul send --show ${data.command}\``;
  return { json: document, text: printable(`${component} ${state}: ${why}`), exitCode: 1 };
}

function numberOf({ args }: VerbCall): string {
  const [number = ''] = args;
  if (!/^[1-9]\d{0,14}$/.test(number)) throw usage('the number of a dead letter is a whole number');
  return number;
}

function limitOf({ options }: VerbCall): number {
  const limit = options.number('limit', 1) ?? DEFAULT_LIMIT;
  if (limit > MOST) throw usage(`--limit must be at most ${MOST}; go on with --after`);
  return limit;
}

/** The application server says `nextCursor`, a component `next`: there are more. */
function listed({ items, nextCursor, next }: z.infer<typeof letters>, width: number | undefined): string {
  const table = tableOf(items, width);
  return (nextCursor ?? next) == null ? table : `${table}\n\nmore: --after ${items.at(-1)?.number}`;
}

function tableOf(items: readonly z.infer<typeof letter>[], width: number | undefined): string {
  return renderTable(
    items,
    [
      { title: 'NUMBER', value: (row) => row.number, align: 'right' },
      { title: 'SOURCE', value: (row) => row.source },
      { title: 'CLASS', value: (row) => `${row.class}/${row.subclass}` },
      { title: 'AT', value: (row) => formatTime(row.at) },
      { title: 'WHY', value: (row) => `${row.code} ${row.detail ?? ''}`, flexible: true },
    ],
    width,
  );
}
