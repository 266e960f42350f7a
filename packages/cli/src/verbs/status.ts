import { anything, type ComponentRow, component } from '../api-shapes.ts';
import { formatAgo, formatIn } from '../format.ts';
import { renderTable } from '../table.ts';
import type { Verb } from '../verb.ts';
import { inTreeOrder, stateOf } from './components.ts';

export const status: Verb = {
  path: 'status',
  summary: 'is everything flowing? Backlog, oldest message and next retry of each component',
  connects: true,
  examples: ['backhaul status', 'backhaul status --json'],
  run: async ({ api, cli, width }) => {
    const client = await api();
    const [overall, components] = await Promise.all([
      client.get('/status', anything),
      client.list('/components', component),
    ]);
    return { json: { server: overall, components }, text: statusTable(components, cli.clock.now(), width) };
  },
};

/** Three heartbeats, as they are set by default. */
const FRESH_MS = 180_000;

interface Backlog {
  readonly messages?: number;
  readonly oldestAt?: number | string;
  readonly nextRetryAt?: number | string;
}

function statusTable(components: readonly ComponentRow[], now: number, width: number | undefined): string {
  return renderTable(
    inTreeOrder(components),
    [
      { title: 'COMPONENT', value: ({ row, depth }) => `${'  '.repeat(depth)}${row.id}` },
      { title: 'HEALTH', value: ({ row }) => healthOf(row, now) },
      { title: 'STATE', value: ({ row }) => stateOf(row) },
      { title: 'LAST HEARD', value: ({ row }) => formatAgo(row.lastHeardAt, now) },
      { title: 'BACKLOG', value: ({ row }) => backlogOf(row).messages, align: 'right' },
      { title: 'OLDEST', value: ({ row }) => formatAgo(backlogOf(row).oldestAt, now) },
      { title: 'NEXT RETRY', value: ({ row }) => formatIn(backlogOf(row).nextRetryAt, now) },
    ],
    width,
  );
}

/** A component that has not told yet has none. */
function backlogOf(row: ComponentRow): Backlog {
  if (typeof row.backlog === 'number') return { messages: row.backlog };
  return typeof row.backlog === 'object' && row.backlog !== null ? row.backlog : {};
}

/** As it said last. What is no longer fresh says how old it is: one that cannot store its own heartbeat is seldom well. */
function healthOf({ health, heartbeatAt }: ComponentRow, now: number): string | undefined {
  if (typeof health !== 'string') return undefined;
  const old = typeof heartbeatAt === 'number' && now - heartbeatAt > FRESH_MS;
  return old ? `${health} ${formatAgo(heartbeatAt, now)}` : health;
}
