import { alarm } from '../api-shapes.ts';
import { formatAgo } from '../format.ts';
import { renderTable } from '../table.ts';
import type { Verb } from '../verb.ts';

export const alarms: Verb = {
  path: 'alarms',
  summary: 'alarms, the worst first; those that are not clear when nothing else is said',
  options: [['--state <state>', 'open, acknowledged, clear, unavailable, active (all but clear) or all']],
  connects: true,
  examples: ['backhaul alarms', 'backhaul alarms --state all --json'],
  run: async ({ api, options, cli, width }) => {
    const state = options.text('state') ?? 'active';
    const items = await (await api()).list('/alarms', alarm, state === 'all' ? {} : { state });
    const now = cli.clock.now();
    const text = renderTable(
      items,
      [
        { title: 'SEVERITY', value: (row) => row.severity },
        { title: 'STATE', value: (row) => row.state },
        { title: 'ALARM', value: (row) => row.alarmId, flexible: true },
        { title: 'ABOUT', value: (row) => row.instance ?? undefined, flexible: true },
        { title: 'SINCE', value: (row) => formatAgo(row.occurredAt, now) },
        { title: 'TEXT', value: (row) => row.text ?? undefined, flexible: true },
      ],
      width,
    );
    return { json: { items }, text };
  },
};
