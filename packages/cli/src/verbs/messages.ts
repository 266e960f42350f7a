import { anything, message } from '../api-shapes.ts';
import { formatTime } from '../format.ts';
import { renderTable } from '../table.ts';
import { printableLines } from '../terminal-text.ts';
import type { Verb } from '../verb.ts';

const DEFAULT_LIMIT = 50;

export const messages: Verb = {
  path: 'messages',
  summary: 'what has arrived, newest first; with an ID one message with its header and content',
  arguments: [['[id]', 'one message']],
  options: [
    ['--class <class>', 'only this class'],
    ['--subclass <subclass>', 'only this subclass'],
    ['--source <component>', 'only from this component'],
    ['--customer <id>', 'only of this customer'],
    ['--site <name>', 'only of this site'],
    ['--instance <id>', 'only about this support instance'],
    ['--limit <n>', `at most so many (${DEFAULT_LIMIT} when left out)`],
  ],
  connects: true,
  examples: ['backhaul messages --class performance --limit 10', 'backhaul messages 06f3x… --json'],
  run: async ({ api, args, options, width }) => {
    const client = await api();
    if (args[0] !== undefined) {
      const one = await client.get(`/messages/${encodeURIComponent(args[0])}`, anything);
      return { json: one, text: printableLines(JSON.stringify(one, null, 2)) };
    }
    const limit = options.number('limit', 1) ?? DEFAULT_LIMIT;
    const names = ['class', 'subclass', 'source', 'customer', 'site', 'instance'];
    const query = Object.fromEntries(names.map((name) => [name, options.text(name)]));
    const items = await client.list('/messages', message, { ...query, limit: Math.min(limit, 500) }, limit);
    const text = renderTable(
      items,
      [
        { title: 'ID', value: (row) => row.id },
        { title: 'RECEIVED', value: (row) => formatTime(row.receivedAt) },
        { title: 'SOURCE', value: (row) => row.source },
        { title: 'CLASS', value: (row) => `${row.class}/${row.subclass}` },
        { title: 'ABOUT', value: (row) => row.instance ?? undefined, flexible: true },
      ],
      width,
    );
    return { json: { items }, text };
  },
};
