import { isoTime } from '@backhaul/runtime';
import { type Html, html, type Piece } from './html.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'quiet';

/** A state as a pill: its colour only repeats what its text says. */
export const pill = (text: string, tone: Tone): Html => html`<span class="pill ${tone}">${text}</span>`;

export interface Column<R> {
  readonly title: string;
  readonly cell: (row: R) => Piece;
  readonly numeric?: boolean;
}

/** A table, or a sentence when there is nothing to show. */
export function table<R>(caption: string, columns: readonly Column<R>[], rows: readonly R[], empty: string): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  const kind = (column: Column<R>) => (column.numeric ? 'number' : 'text');
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<caption class="hidden">${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope="col" class="${kind(column)}">${column.title}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${columns.map((column) => html`<td class="${kind(column)}">${column.cell(row)}</td>`)}</tr>\n`)}</tbody>
</table></div>`;
}

export function section(id: string, title: string, body: Piece, aside: Piece = ''): Html {
  return html`<section aria-labelledby="${id}"><header><h2 id="${id}">${title}</h2>${aside}</header>${body}</section>`;
}

/** `3 min ago`, with the exact time when pointed at. */
export function ago(at: number | null | undefined, now: number): Html {
  if (at === null || at === undefined) return html`<span class="quiet">never</span>`;
  return html`<time datetime="${isoTime(at)}" title="${isoTime(at)}">${duration(Math.max(0, now - at))} ago</time>`;
}

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  for (; value >= 1_024 && unit < UNITS.length - 1; unit++) value /= 1_024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export const count = (value: number): string => value.toLocaleString('en-US');
