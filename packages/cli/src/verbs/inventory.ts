import { z } from 'zod';
import { anything } from '../api-shapes.ts';
import { formatAgo } from '../format.ts';
import { renderTable } from '../table.ts';
import { printableLines } from '../terminal-text.ts';
import type { Verb } from '../verb.ts';

const instance = z.looseObject({ instance: z.string() });

export const inventory: Verb = {
  path: 'inventory',
  summary: 'the support instances; with an ID what is known of one: packages, patches, disks, system',
  arguments: [['[instance]', 'support instance ID']],
  connects: true,
  examples: ['backhaul inventory', 'backhaul inventory c7k2m9qx1.p1.s1 --json'],
  run: async ({ api, args, cli, width }) => {
    const client = await api();
    if (args[0] !== undefined) {
      const one = await client.get(`/inventory/${encodeURIComponent(args[0])}`, anything);
      return { json: one, text: printableLines(JSON.stringify(one, null, 2)) };
    }
    const items = await client.list('/inventory', instance);
    const now = cli.clock.now();
    const text = renderTable(
      items,
      [
        { title: 'INSTANCE', value: (row) => row.instance },
        { title: 'HOST', value: (row) => textOf(row['name'] ?? row['managementId']), flexible: true },
        { title: 'SITE', value: (row) => textOf(row['site']), flexible: true },
        { title: 'LAST TOLD', value: (row) => formatAgo(row['updatedAt'] as number | string | undefined, now) },
      ],
      width,
    );
    return { json: { items }, text };
  },
};

function textOf(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}
