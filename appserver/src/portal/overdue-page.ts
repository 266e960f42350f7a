import { html } from './html.ts';
import { page } from './layout.ts';
import { ago, type Column, pill, section, type Tone, table } from './parts.ts';

export interface OverdueItem {
  readonly id: string;
  readonly kind: string;
  readonly customer: string;
  readonly site: string | null;
  readonly state: string;
  readonly since: number;
  readonly noticedAt: number;
  readonly behind: string | null;
}

export interface OverdueView {
  readonly version: string;
  readonly csrfToken: string;
  /** wall ms */
  readonly now: number;
  readonly items: readonly OverdueItem[];
  readonly more: boolean;
}

/** Who should have been heard and was not: those to look after first, then what stands behind them. */
export function overduePage(view: OverdueView): string {
  const { items, now } = view;
  const behind = items.filter(({ state }) => state === 'unreachable');
  const others = items.filter(({ state }) => state !== 'unreachable');
  const lead =
    items.length === 0
      ? 'Everybody who should be heard is heard.'
      : `${others.length} overdue, ${behind.length} unreachable behind them${view.more ? ', and more' : ''}.`;
  return page(
    { title: 'Overdue', version: view.version, refreshSeconds: 10, csrfToken: view.csrfToken, path: '/portal/overdue' },
    html`<h1>Overdue</h1>
<p class="lead">${lead}</p>
${section('overdue', 'Overdue', table('Overdue', columns(now), others, 'Nobody is overdue.'))}
${behind.length > 0 && section('behind', 'Unreachable behind others', table('Unreachable', columns(now), behind, ''))}`,
  );
}

const TONES: Readonly<Record<string, Tone>> = { overdue: 'bad', unreachable: 'warn', returning: 'good' };

const columns = (now: number): readonly Column<OverdueItem>[] => [
  { title: 'ID', cell: ({ id }) => html`<code>${id}</code>` },
  { title: 'Kind', cell: ({ kind }) => kind },
  { title: 'Site', cell: ({ site, customer }) => html`<span class="nowrap">${site ?? customer}</span>` },
  { title: 'State', cell: ({ state }) => pill(state, TONES[state] ?? 'quiet') },
  { title: 'Behind', cell: ({ behind }) => behind !== null && html`<code>${behind}</code>` },
  { title: 'Last heard', cell: ({ since }) => ago(since, now) },
  { title: 'Noticed', cell: ({ noticedAt }) => ago(noticedAt, now) },
];
