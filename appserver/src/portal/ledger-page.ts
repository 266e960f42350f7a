import { type Html, html } from './html.ts';
import { page } from './layout.ts';
import { type Column, count, pill, section, type Tone, table } from './parts.ts';

export interface LedgerRange {
  readonly first: number;
  readonly last: number;
  readonly fate: string;
  readonly at?: string;
  readonly rule?: string;
  readonly aggregate?: string;
  /** the hop at or below which it is still on its way */
  readonly below?: string;
}

export interface LedgerLine {
  readonly source: string;
  readonly epoch: string;
  readonly lane: number;
  readonly site: string | null;
  readonly through: number;
  readonly settledThrough: number;
  readonly delivered: number;
  readonly inFlight: number;
  readonly unexplained: number;
  readonly ranges: readonly LedgerRange[];
}

export interface LedgerView {
  readonly version: string;
  readonly csrfToken: string;
  /** what was asked for; every source when left out */
  readonly source: string | undefined;
  readonly lines: readonly LedgerLine[];
  /** over all lines, shown or not */
  readonly unexplained: number;
  /** there are more lines than are shown */
  readonly more: boolean;
}

/** What became of every sequence number, per source, epoch and lane. */
export function ledgerPage(view: LedgerView): string {
  const { source, lines, unexplained } = view;
  return page(
    { title: 'Ledger', version: view.version, csrfToken: view.csrfToken, path: '/portal/ledger' },
    html`<h1>Ledger</h1>
<p class="lead">${unexplained === 0 ? 'Every message is accounted for.' : `${count(unexplained)} messages are unexplained: nobody on their way has them any more.`}</p>
<form method="get" action="/portal/ledger" class="search"><label for="source">Source</label>
<input id="source" name="source" value="${source}" placeholder="component ID; all when empty" maxlength="64"><button class="quiet">Show</button></form>
${lines.length === 0 ? html`<p class="empty">Nothing has arrived${source === undefined ? '' : ` from ${source}`} yet.</p>` : lines.map(lineSection)}
${view.more && html`<p class="quiet">There are more lines. Ask for one source, or use <code>backhaul ledger</code>.</p>`}`,
  );
}

function lineSection(line: LedgerLine, index: number): Html {
  const { source, lane, epoch, site, through, settledThrough, inFlight, unexplained } = line;
  const title = `${source} · lane ${lane}`;
  const gap = unexplained > 0 ? pill(`${count(unexplained)} unexplained`, 'bad') : pill('nothing unexplained', 'good');
  const onItsWay = inFlight > 0 ? html` ${pill(`${count(inFlight)} in flight`, 'warn')}` : '';
  const pruned = settledThrough > 0 ? ` · details up to ${count(settledThrough)} are pruned` : '';
  const aside = html`<p class="quiet">${site} · epoch <code>${epoch}</code> · up to ${count(through)}${pruned}${onItsWay} ${gap}</p>`;
  return section(`line-${index}`, title, table(title, COLUMNS, line.ranges, 'All details are pruned.'), aside);
}

const COLUMNS: readonly Column<LedgerRange>[] = [
  { title: 'From', cell: ({ first }) => count(first), numeric: true },
  { title: 'To', cell: ({ last }) => count(last), numeric: true },
  { title: 'Messages', cell: ({ first, last }) => count(last - first + 1), numeric: true },
  { title: 'Fate', cell: ({ fate }) => pill(fate, TONES[fate] ?? 'quiet') },
  { title: 'Where', cell: whereOf },
  { title: 'Why', cell: ({ rule, aggregate }) => html`${rule}${aggregate && html` into <code>${aggregate}</code>`}` },
];

const TONES: Readonly<Record<string, Tone>> = {
  delivered: 'good',
  unexplained: 'bad',
  'in-flight': 'warn',
  'dead-letter': 'warn',
  expired: 'warn',
  evicted: 'warn',
  'unknown-after-send': 'warn',
};

function whereOf({ below, at }: LedgerRange): Html | undefined {
  if (below !== undefined) return html`in flight at or below <code>${below}</code>`;
  return at === undefined ? undefined : html`<code>${at}</code>`;
}
