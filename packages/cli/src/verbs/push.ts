import type { Clock } from '@backhaul/runtime';
import { created, type PushDocument, pushRow, push as pushShape } from '../api-shapes.ts';
import type { ApiClient } from '../client.ts';
import { formatTime } from '../format.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';
import { type Result, usage, type Verb } from '../verb.ts';
import { waitUntil } from '../wait-until.ts';

const DEFAULT_WAIT_MS = 120_000;
const ASK_EVERY_MS = 250;
const FINAL_STATES: ReadonlySet<string> = new Set(['done', 'refused', 'failed', 'expired', 'revoked']);

export const push: Verb = {
  path: 'push',
  summary: 'offer a published artifact to a component or a group; each site’s policy decides',
  arguments: [['<sha256>', 'the artifact, by its hash']],
  options: [
    ['--group <name>', 'all members of a group; every site is one'],
    ['--component <id>', 'one component'],
    ['--wait', 'wait until each has installed or refused it; exit code 1 when one has not installed it'],
    ['--timeout <time>', 'how long to wait (2m when left out)'],
  ],
  connects: true,
  examples: ['backhaul push 5f2a… --group site-a --wait', 'backhaul push 5f2a… --component c7k2m9qx1.p1'],
  run: async ({ api, args, options, cli, width }) => {
    const group = options.text('group');
    const component = options.text('component');
    if ((group === undefined) === (component === undefined)) throw usage('give either --group or --component');
    const client = await api();
    const target = group === undefined ? { component } : { group };
    const made = await client.post('/pushes', created, { artifact: args[0], ...target });
    if (!options.flag('wait'))
      return { json: made, text: `Pushed as ${printable(made.id)}. Watch it: backhaul pushes ${printable(made.id)}` };
    const outcome = await pushOutcome(client, cli.clock, made.id, options.durationMs('timeout') ?? DEFAULT_WAIT_MS);
    return shownPush(outcome, width, true);
  },
};

export const pushes: Verb = {
  path: 'pushes',
  summary: 'the pushes so far; with an ID how far each member is, and why not',
  arguments: [['[id]', 'one push']],
  connects: true,
  examples: ['backhaul pushes', 'backhaul pushes 06f3x…'],
  run: async ({ api, args, width }) => {
    const client = await api();
    if (args[0] !== undefined) return shownPush(await readPush(client, args[0]), width, false);
    const items = await client.list('/pushes', pushRow);
    const text = renderTable(
      items,
      [
        { title: 'PUSH', value: (row) => row.id },
        { title: 'ARTIFACT', value: (row) => `${row.name} ${row.version}`, flexible: true },
        { title: 'TO', value: (row) => targetOf(row['destination']), flexible: true },
        { title: 'WHEN (UTC)', value: (row) => formatTime(row.createdAt) },
      ],
      width,
    );
    return { json: { items }, text };
  },
};

export function readPush(client: ApiClient, id: string): Promise<PushDocument> {
  return client.get(`/pushes/${encodeURIComponent(id)}`, pushShape);
}

/** Until every member has installed, refused or failed, or the time is over. */
export async function pushOutcome(
  client: ApiClient,
  clock: Clock,
  id: string,
  timeoutMs: number,
): Promise<PushDocument> {
  const isOver = ({ members }: PushDocument): boolean =>
    members.length > 0 && members.every(({ state }) => FINAL_STATES.has(state));
  const { answer } = await waitUntil(clock, () => readPush(client, id), isOver, { timeoutMs, everyMs: ASK_EVERY_MS });
  return answer;
}

function shownPush(document: PushDocument, width: number | undefined, judged: boolean): Result {
  const table = renderTable(
    document.members,
    [
      { title: 'COMPONENT', value: (row) => row.component },
      { title: 'STATE', value: (row) => row.state },
      { title: '%', value: (row) => row.percent ?? undefined, align: 'right' },
      { title: 'CODE', value: (row) => row.code ?? undefined },
      { title: 'REASON', value: (row) => row.reason ?? undefined, flexible: true },
    ],
    width,
  );
  const fetches = document.wanFetches ?? undefined;
  const text = fetches === undefined ? table : `${table}\n\nfetched over the WAN: ${fetches}`;
  const allDone = document.members.length > 0 && document.members.every(({ state }) => state === 'done');
  return { json: document, text, exitCode: judged && !allDone ? 1 : 0 };
}

/** `{group: 'site-a'}` → `site-a` */
function targetOf(destination: unknown): string | undefined {
  if (typeof destination !== 'object' || destination === null) return undefined;
  return Object.values(destination).map(String).join(' ');
}
