import { type Html, html } from './html.ts';

export interface PageOptions {
  readonly title: string;
  readonly version: string;
  /** seconds between reloads; not at all when left out */
  readonly refreshSeconds?: number;
  /** what the log-out form carries; no form when nobody is logged in */
  readonly csrfToken?: string;
}

/** The frame of every page: no script, one style sheet of our own, nothing from elsewhere. */
export function page(options: PageOptions, content: Html): string {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${options.refreshSeconds !== undefined && html`<meta http-equiv="refresh" content="${options.refreshSeconds}">`}
<title>${options.title} · Backhaul</title>
<link rel="stylesheet" href="/portal/style.css">
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<p class="brand"><a href="/portal"><span class="mark" aria-hidden="true"></span>Backhaul</a></p>
${options.csrfToken !== undefined && logOut(options.csrfToken)}
</header>
<main id="content">
${content}
</main>
<footer>Backhaul ${options.version}</footer>
</body>
</html>
`;
  return document.toString();
}

function logOut(csrfToken: string): Html {
  return html`<form method="post" action="/portal/logout"><input type="hidden" name="csrf" value="${csrfToken}"><button class="quiet">Log out</button></form>`;
}

export type PillTone = 'good' | 'warn' | 'bad' | 'idle' | 'busy';

/** A short state with a colour; the word says it without the colour. */
export function pill(tone: PillTone, text: string): Html {
  return html`<span class="pill ${tone}">${text}</span>`;
}

/** A titled box of the overview. */
export function panel(id: string, title: string, count: string, content: Html): Html {
  return html`<section class="panel" aria-labelledby="${id}"><div class="panel-head"><h2 id="${id}">${title}</h2><p class="count">${count}</p></div>${content}</section>`;
}

/** Rows under headings, or a sentence where there is nothing. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly (Html | string | number)[])[],
  empty: string,
): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll"><table><thead><tr>${headings.map((heading) => html`<th scope="col">${heading}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** `12 s ago`, `3 min ago`, `5 h ago`, `4 d ago`; with the exact time on hover. */
export function ago(at: number | undefined | null, now: number): Html {
  if (at === undefined || at === null) return html`<span class="never">never</span>`;
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  const text =
    seconds < 90
      ? `${seconds} s ago`
      : seconds < 5_400
        ? `${Math.round(seconds / 60)} min ago`
        : seconds < 129_600
          ? `${Math.round(seconds / 3_600)} h ago`
          : `${Math.round(seconds / 86_400)} d ago`;
  const exact = new Date(at).toISOString();
  return html`<time datetime="${exact}" title="${exact}">${text}</time>`;
}

/** `512 B`, `1.4 KiB`, `3.0 MiB` */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}
