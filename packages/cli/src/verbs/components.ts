import { type ComponentRow, component } from '../api-shapes.ts';
import { formatAgo } from '../format.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';
import type { Verb } from '../verb.ts';

export const componentsList: Verb = {
  path: 'components list',
  summary: 'the tree of application servers, MLMs and proxies: state, last heard, version',
  groupDefault: true,
  options: [
    ['--customer <id>', 'only this customer'],
    ['--site <name>', 'only this site'],
  ],
  connects: true,
  examples: ['backhaul components', 'backhaul components --site site-a --json'],
  run: async ({ api, options, cli, width }) => {
    const query = { customer: options.text('customer'), site: options.text('site') };
    const items = await (await api()).list('/components', component, query);
    return { json: { items }, text: componentTable(items, cli.clock.now(), width) };
  },
};

export const componentsRevoke: Verb = {
  path: 'components revoke',
  summary: 'shut a component out: it is refused at its next request, its children with it',
  arguments: [['<id>', 'component ID']],
  connects: true,
  examples: ['backhaul components revoke c7k2m9qx1.p2'],
  run: async ({ api, args }) => {
    const revoked = await (await api()).post(`/components/${encodeURIComponent(args[0]!)}/revoke`, component);
    return {
      json: revoked,
      text: `${printable(revoked.id)} is ${printable(revoked.state)}; its parent learns it through its mailbox.`,
    };
  },
};

export const componentsParents: Verb = {
  path: 'components parents',
  summary: 'set what a component hangs below, in order of preference: redundant paths',
  description:
    'It counts here and at the parents at once. The component itself goes where `parents` in its configuration says: list the same ones there, in the same order.',
  arguments: [
    ['<id>', 'component ID'],
    ['<parents...>', 'IDs of MLMs, or of the application server; up to four'],
  ],
  connects: true,
  examples: ['backhaul components parents c7k2m9qx1.p2 c7k2m9qx1.m1 c7k2m9qx1.m2'],
  run: async ({ api, args }) => {
    const [id, ...parents] = args.flat();
    const set = await (await api()).put(`/components/${encodeURIComponent(id!)}/parents`, component, { parents });
    return { json: set, text: `${printable(set.id)} hangs below ${printable((set.parents ?? []).join(', then '))}.` };
  },
};

/** Children under their parents, indented. */
export function componentTable(items: readonly ComponentRow[], now: number, width: number | undefined): string {
  return renderTable(
    inTreeOrder(items),
    [
      { title: 'COMPONENT', value: ({ row, depth }) => `${'  '.repeat(depth)}${row.id}` },
      { title: 'KIND', value: ({ row }) => row.kind },
      { title: 'SITE', value: ({ row }) => row.site ?? undefined, flexible: true },
      { title: 'STATE', value: ({ row }) => stateOf(row) },
      { title: 'LAST HEARD', value: ({ row }) => formatAgo(row.lastHeardAt, now) },
      { title: 'ALSO BELOW', value: ({ row }) => row.parents?.slice(1).join(', ') || undefined },
      { title: 'VERSION', value: ({ row }) => row.version ?? undefined },
    ],
    width,
  );
}

/** `active, overdue`; one that stands behind a silent parent says so, and is not itself to blame. */
export function stateOf({ state, overdue, watch }: ComponentRow): string {
  if (watch?.state === 'unreachable') return `${state}, unreachable behind ${watch.behind ?? 'its parent'}`;
  if (watch?.state === 'returning') return `${state}, returning`;
  return overdue ? `${state}, overdue` : state;
}

interface Placed {
  readonly row: ComponentRow;
  readonly depth: number;
}

/** What has no parent among the rows stands at the left; nothing is lost if parents form a circle. */
export function inTreeOrder(items: readonly ComponentRow[]): Placed[] {
  const ids = new Set(items.map(({ id }) => id));
  const placed = new Map<string, Placed>();
  const place = (row: ComponentRow, depth: number): void => {
    if (placed.has(row.id)) return;
    placed.set(row.id, { row, depth });
    for (const child of items) if (child.parent === row.id) place(child, depth + 1);
  };
  for (const row of items) if (!row.parent || !ids.has(row.parent)) place(row, 0);
  for (const row of items) place(row, 0);
  return [...placed.values()];
}
