import type { SenderReport } from '../notifications/notifications.ts';
import { type Html, html } from './html.ts';
import { page } from './layout.ts';
import { ago, type Column, count, pill, section, type Tone, table } from './parts.ts';

export interface NotificationItem {
  readonly kind: string;
  readonly severity: string;
  readonly text: string;
  readonly at: number;
  readonly deliveries: readonly {
    readonly sender: string;
    readonly state: string;
    readonly attempts: number;
    readonly detail: string | null;
  }[];
}

export interface NotificationsView {
  readonly version: string;
  readonly csrfToken: string;
  /** wall ms */
  readonly now: number;
  readonly items: readonly NotificationItem[];
  /** undefined: the asker does not see the provider's own */
  readonly senders: readonly SenderReport[];
}

/** What people were told, and whether it reached them. */
export function notificationsPage(view: NotificationsView): string {
  const { items, senders, now } = view;
  return page(
    { title: 'Notifications', version: view.version, csrfToken: view.csrfToken, path: '/portal/notifications' },
    html`<h1>Notifications</h1>
<p class="lead">${senders.length === 0 ? 'No sender is configured: nobody outside is told.' : `${senders.length} senders.`}</p>
${senders.length > 0 && section('senders', 'Outbox', table('Outbox', SENDER_COLUMNS(now), senders, ''))}
${section('told', 'Told', table('Told', columns(now), items, 'Nothing has had to be told yet.'), html`<p class="quiet">newest first</p>`)}`,
  );
}

const SENDER_COLUMNS = (now: number): readonly Column<SenderReport>[] => [
  { title: 'Sender', cell: ({ name }) => name },
  { title: 'By', cell: ({ use }) => use },
  { title: 'To', cell: ({ target }) => target },
  { title: 'Waiting', cell: ({ waiting }) => count(waiting), numeric: true },
  { title: 'Given up', cell: ({ dead }) => (dead > 0 ? pill(count(dead), 'bad') : '0'), numeric: true },
  { title: 'Sent', cell: ({ sent }) => count(sent), numeric: true },
  { title: 'Last sent', cell: ({ lastSentAt }) => ago(lastSentAt, now) },
];

const SEVERITIES: Readonly<Record<string, Tone>> = { critical: 'bad', major: 'bad', minor: 'warn', warning: 'warn' };
const STATES: Readonly<Record<string, Tone>> = { sent: 'good', waiting: 'warn', dead: 'bad' };

const columns = (now: number): readonly Column<NotificationItem>[] => [
  { title: 'When', cell: ({ at }) => ago(at, now) },
  { title: 'Kind', cell: ({ kind }) => html`<code>${kind}</code>` },
  { title: 'Severity', cell: ({ severity }) => pill(severity, SEVERITIES[severity] ?? 'quiet') },
  { title: 'Text', cell: ({ text }) => html`<span class="lines">${text}</span>` },
  { title: 'Reached', cell: ({ deliveries }) => deliveries.map(deliveryOf) },
];

function deliveryOf({ sender, state, attempts, detail }: NotificationItem['deliveries'][number]): Html {
  const why = detail === null || state === 'sent' ? '' : ` (${detail}, ${count(attempts)} attempts)`;
  return html`<div>${pill(state, STATES[state] ?? 'quiet')} ${sender}${why}</div>`;
}
