import { type Html, html } from './html.ts';
import { page } from './layout.ts';
import { ago, bytes, type Column, count, pill, section, table } from './parts.ts';

export const DEAD_LETTER_STATES = ['waiting', 'replayed', 'discarded'] as const;
export type ShownState = (typeof DEAD_LETTER_STATES)[number];

export interface DeadLetterItem {
  readonly number: number;
  readonly id: string;
  readonly source: string;
  readonly lane: number;
  readonly sequence: number;
  readonly class: string;
  readonly subclass: string;
  readonly site: string | null;
  readonly module: string;
  readonly code: string;
  readonly detail: string;
  readonly faults: number;
  readonly at: number;
  readonly bytes: number;
  readonly state: string;
  readonly reason: string | null;
}

interface Framed {
  readonly version: string;
  readonly csrfToken: string;
  /** wall ms */
  readonly now: number;
  /** what came of the form before */
  readonly notice?: string | undefined;
}

/** Messages that failed again and again, and were set aside. */
export function deadLettersPage(
  view: Framed & { readonly items: readonly DeadLetterItem[]; readonly state: ShownState; readonly more: boolean },
): string {
  const links = DEAD_LETTER_STATES.map((state) =>
    state === view.state
      ? html`<strong>${state}</strong> `
      : html`<a href="/portal/dead-letters?state=${state}">${state}</a> `,
  );
  const list = table('Dead letters', columns(view.now), view.items, `No dead letters are ${view.state}.`);
  return page(
    { title: 'Dead letters', version: view.version, csrfToken: view.csrfToken, path: '/portal/dead-letters' },
    html`<h1>Dead letters</h1>
<p class="lead">Messages that were refused again and again, set aside so that they block nobody.</p>
${noticeOf(view)}
${section('letters', 'Dead letters', list, html`<p class="quiet">${links}</p>`)}
${view.more && html`<p class="quiet">There are more; decide these first.</p>`}`,
  );
}

/** One of them: read, replayed or discarded. */
export function deadLetterPage(
  view: Framed & { readonly item: DeadLetterItem; readonly header: unknown; readonly content: unknown },
): string {
  const { item } = view;
  return page(
    {
      title: `Dead letter ${item.number}`,
      version: view.version,
      csrfToken: view.csrfToken,
      path: '/portal/dead-letters',
    },
    html`<h1>Dead letter ${item.number}</h1>
<p class="lead"><code>${item.class}/${item.subclass}</code> of <code>${item.source}</code>, ${ago(item.at, view.now)}</p>
${noticeOf(view)}
${section('what', 'What happened', facts(item))}
${item.state === 'waiting' && section('decide', 'Decide', decisions(item.number, view.csrfToken))}
${section('header', 'Header', asText(view.header))}
${section('content', 'Content', asText(view.content))}`,
  );
}

function facts(item: DeadLetterItem): Html {
  const rows: readonly (readonly [string, Html | string])[] = [
    ['State', pill(item.state, item.state === 'waiting' ? 'warn' : 'quiet')],
    ['Refused by', item.module],
    ['Code', html`<code>${item.code}</code> ${item.detail}`],
    ['Times', count(item.faults)],
    ['Message', html`<code>${item.id}</code>, lane ${item.lane}, number ${count(item.sequence)}, ${bytes(item.bytes)}`],
    ...(item.reason === null ? [] : [['Reason', item.reason] as const]),
  ];
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function decisions(number: number, csrfToken: string): Html {
  const token = html`<input type="hidden" name="csrf" value="${csrfToken}">`;
  return html`<div class="decide"><form method="post" action="/portal/dead-letters/${number}/replay">${token}
<p>Gives it to the service modules again.</p><button>Replay</button></form>
<form method="post" action="/portal/dead-letters/${number}/discard">${token}
<label for="reason">Reason</label><input id="reason" name="reason" required maxlength="500">
<button class="quiet">Discard</button></form></div>`;
}

/** Text as it is; what else as JSON. Both are only ever text here [THREATS A21]. */
function asText(value: unknown): Html {
  if (value === null || value === undefined) return html`<p class="empty">It is no longer kept.</p>`;
  return html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;
}

const noticeOf = ({ notice }: Framed): Html | undefined =>
  notice === undefined ? undefined : html`<p class="notice" role="status">${notice}</p>`;

const columns = (now: number): readonly Column<DeadLetterItem>[] => [
  {
    title: 'Number',
    cell: ({ number }) => html`<a href="/portal/dead-letters/${number}">${number}</a>`,
    numeric: true,
  },
  { title: 'Class', cell: (row) => html`<code>${row.class}/${row.subclass}</code>` },
  { title: 'Source', cell: ({ source }) => html`<code>${source}</code>` },
  { title: 'Refused by', cell: ({ module }) => module },
  { title: 'Code', cell: ({ code, detail }) => html`<code>${code}</code> ${detail}` },
  { title: 'Times', cell: ({ faults }) => count(faults), numeric: true },
  { title: 'Last', cell: ({ at }) => ago(at, now) },
];
