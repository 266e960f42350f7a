import { z } from 'zod';
import { formatAgo } from '../format.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';
import type { Verb } from '../verb.ts';

const mailbox = z.looseObject({
  owner: z.string(),
  messages: z.number(),
  bytes: z.number(),
  oldestAt: z.number().nullish(),
  acknowledged: z.number(),
  last: z.number(),
  lastHeardAt: z.number().nullish(),
});
const poked = z.looseObject({ owner: z.string(), held: z.number() });

export const mailboxesList: Verb = {
  path: 'mailboxes list',
  summary: 'what waits on its way down: depth, oldest and acknowledged, by direct child',
  groupDefault: true,
  connects: true,
  examples: ['backhaul mailboxes', 'backhaul mailboxes list --json'],
  run: async ({ api, cli, width }) => {
    const items = await (await api()).list('/mailboxes', mailbox);
    const now = cli.clock.now();
    const text = renderTable(
      items,
      [
        { title: 'OWNER', value: (row) => row.owner },
        { title: 'WAITING', value: (row) => row.messages, align: 'right' },
        { title: 'BYTES', value: (row) => row.bytes, align: 'right' },
        { title: 'OLDEST', value: (row) => formatAgo(row.oldestAt, now) },
        { title: 'ACKNOWLEDGED', value: (row) => `${row.acknowledged} of ${row.last}`, align: 'right' },
        { title: 'LAST HEARD', value: (row) => formatAgo(row.lastHeardAt, now) },
      ],
      width,
    );
    return { json: { items }, text };
  },
};

export const mailboxesPoke: Verb = {
  path: 'mailboxes poke',
  summary: 'answer a poll that is being held: the owner asks again at once',
  arguments: [['<owner>', 'component ID of a direct child']],
  connects: true,
  examples: ['backhaul mailboxes poke c7k2m9qx1.m1'],
  run: async ({ api, args }) => {
    const answer = await (await api()).post(`/mailboxes/${encodeURIComponent(args[0]!)}/poke`, poked);
    const text = answer.held > 0 ? 'its poll was answered.' : 'no poll of it is being held: is it there?';
    return { json: answer, text: `${printable(answer.owner)}: ${text}`, exitCode: answer.held > 0 ? 0 : 1 };
  },
};
