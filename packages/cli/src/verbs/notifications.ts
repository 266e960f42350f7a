import { z } from 'zod';
import { formatAgo, formatTime } from '../format.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';
import type { Verb } from '../verb.ts';

const DEFAULT_LIMIT = 50;

const delivery = z.looseObject({
  sender: z.string(),
  state: z.string(),
  attempts: z.number(),
  code: z.string().nullish(),
});
const notification = z.looseObject({
  id: z.string(),
  kind: z.string(),
  severity: z.string(),
  text: z.string(),
  at: z.number(),
  deliveries: z.array(delivery),
});
const senders = z.looseObject({
  items: z.array(
    z.looseObject({
      name: z.string(),
      use: z.string(),
      target: z.string(),
      waiting: z.number(),
      dead: z.number(),
      sent: z.number(),
      lastSentAt: z.number().nullish(),
    }),
  ),
});
const tested = z.looseObject({ id: z.string(), sender: z.string(), target: z.string() });

export const notificationsList: Verb = {
  path: 'notifications list',
  summary: 'what people were told, newest first, and whether it reached them',
  groupDefault: true,
  options: [
    ['--kind <kind>', 'only this kind, such as component.overdue'],
    ['--state <state>', 'only what is waiting, sent or dead at a sender'],
    ['--limit <n>', `at most so many (${DEFAULT_LIMIT} when left out)`],
  ],
  connects: true,
  examples: ['backhaul notifications', 'backhaul notifications list --state dead'],
  run: async ({ api, options, width }) => {
    const limit = options.number('limit', 1) ?? DEFAULT_LIMIT;
    const query = { kind: options.text('kind'), state: options.text('state'), limit: Math.min(limit, 500) };
    const items = await (await api()).list('/notifications', notification, query, limit);
    const text = renderTable(
      items,
      [
        { title: 'AT', value: (row) => formatTime(row.at) },
        { title: 'KIND', value: (row) => row.kind },
        { title: 'SEVERITY', value: (row) => row.severity },
        { title: 'SENDERS', value: (row) => row.deliveries.map(deliveryText).join(', ') || 'none' },
        { title: 'TEXT', value: (row) => row.text.split('\n')[0], flexible: true },
      ],
      width,
    );
    return { json: { items }, text };
  },
};

export const notificationsSenders: Verb = {
  path: 'notifications senders',
  summary: 'where notifications go, and how many wait or were given up',
  connects: true,
  examples: ['backhaul notifications senders'],
  run: async ({ api, cli, width }) => {
    const { items } = await (await api()).get('/notification-senders', senders);
    const now = cli.clock.now();
    const text = renderTable(
      items,
      [
        { title: 'NAME', value: (row) => row.name },
        { title: 'USE', value: (row) => row.use },
        { title: 'TO', value: (row) => row.target, flexible: true },
        { title: 'WAITING', value: (row) => row.waiting, align: 'right' },
        { title: 'DEAD', value: (row) => row.dead, align: 'right' },
        { title: 'SENT', value: (row) => row.sent, align: 'right' },
        { title: 'LAST SENT', value: (row) => formatAgo(row.lastSentAt, now) },
      ],
      width,
    );
    return { json: { items }, text };
  },
};

export const notificationsTest: Verb = {
  path: 'notifications test',
  summary: 'send a test by one sender, at once; what the receiver says is the answer',
  arguments: [['<sender>', 'name of the sender, as in appserver.yaml']],
  connects: true,
  examples: ['backhaul notifications test duty-desk'],
  run: async ({ api, args }) => {
    const sent = await (await api()).post(`/notification-senders/${encodeURIComponent(args[0]!)}/test`, tested);
    return {
      json: sent,
      text: `Taken by ${printable(sent.sender)} (${printable(sent.target)}) as ${printable(sent.id)}.`,
    };
  },
};

function deliveryText({ sender, state, attempts, code }: z.infer<typeof delivery>): string {
  if (state === 'sent') return `${sender} sent`;
  return `${sender} ${state} after ${attempts}${code ? ` ${code}` : ''}`;
}
