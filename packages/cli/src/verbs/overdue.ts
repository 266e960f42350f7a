import { z } from 'zod';
import { formatAgo } from '../format.ts';
import { renderTable } from '../table.ts';
import type { Verb } from '../verb.ts';

const item = z.looseObject({
  id: z.string(),
  kind: z.string(),
  site: z.string().nullish(),
  state: z.string(),
  since: z.number(),
  behind: z.string().nullish(),
});

/** Exit code 1 when somebody is overdue. */
export const overdue: Verb = {
  path: 'overdue',
  summary: 'who should have been heard and was not; exit code 1 when there is somebody',
  connects: true,
  examples: ['backhaul overdue', 'backhaul overdue --json'],
  run: async ({ api, cli, width }) => {
    const items = await (await api()).list('/overdue', item);
    const now = cli.clock.now();
    const table = renderTable(
      items,
      [
        { title: 'ID', value: (row) => row.id },
        { title: 'KIND', value: (row) => row.kind },
        { title: 'SITE', value: (row) => row.site ?? undefined, flexible: true },
        { title: 'STATE', value: (row) => (row.behind ? `${row.state} behind ${row.behind}` : row.state) },
        { title: 'LAST HEARD', value: (row) => formatAgo(row.since, now) },
      ],
      width,
    );
    const text = items.length === 0 ? 'Everybody who should be heard is heard.' : table;
    return { json: { items }, text, exitCode: items.length > 0 ? 1 : 0 };
  },
};
