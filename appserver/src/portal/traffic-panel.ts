import type { readSummary } from '../queries/summary.ts';
import { type Html, html } from './html.ts';
import { bytes, type Column, count, section, table } from './parts.ts';

export type Summary = Awaited<ReturnType<typeof readSummary>>;

const CLASS_COLUMNS: readonly Column<Summary['messages'][number]>[] = [
  { title: 'Class', cell: (row) => html`<code>${row.class}/${row.subclass}</code>` },
  { title: 'Direction', cell: (row) => row.direction },
  { title: 'Messages', cell: (row) => count(row.messages), numeric: true },
  { title: 'Bytes', cell: (row) => bytes(row.bytes), numeric: true },
];

const REMOVED_COLUMNS: readonly Column<Summary['removed'][number]>[] = [
  { title: 'Why', cell: (row) => row.reason },
  { title: 'Rule', cell: (row) => row.rule },
  { title: 'At', cell: (row) => html`<code>${row.at}</code>` },
  { title: 'Messages', cell: (row) => count(row.messages), numeric: true },
];

/** The few figures at the top of the first page. */
export function figuresOf({ messages, filtered, merged, transfers }: Summary): { label: string; value: string }[] {
  const up = messages.filter(({ direction }) => direction === 'up').reduce((sum, row) => sum + row.messages, 0);
  return [
    { label: 'Messages stored', value: count(up) },
    { label: 'Filtered on the way', value: count(filtered) },
    { label: 'Merged on the way', value: count(merged) },
    { label: 'Artifacts sent', value: bytes(transfers.wanBytes) },
    { label: 'Handed out at sites', value: bytes(transfers.lanBytes) },
  ];
}

/** Messages by class, and what was left out on the way and why. */
export function trafficPanel({ messages, removed }: Summary): Html {
  return html`${section('traffic', 'Messages', table('Messages by class', CLASS_COLUMNS, messages, 'Nothing has arrived yet.'))}
${section('left', 'Left out on the way', table('Left out on the way', REMOVED_COLUMNS, removed, 'Nothing was filtered or merged.'))}`;
}
