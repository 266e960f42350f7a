import { type Html, html } from './html.ts';

export interface PageOptions {
  readonly title: string;
  readonly version: string;
  /** seconds between reloads; not at all when left out */
  readonly refreshSeconds?: number;
  /** what the log-out form carries; no form when nobody is logged in */
  readonly csrfToken?: string;
  /** of this page, so that the navigation can say where one is */
  readonly path?: string;
}

const PAGES = [
  ['/portal', 'Overview'],
  ['/portal/overdue', 'Overdue'],
  ['/portal/ledger', 'Ledger'],
  ['/portal/dead-letters', 'Dead letters'],
  ['/portal/notifications', 'Notifications'],
] as const;

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
${options.csrfToken !== undefined && navigation(options.path)}
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

function navigation(current: string | undefined): Html {
  const link = ([path, name]: (typeof PAGES)[number]) =>
    path === current ? html`<a href="${path}" aria-current="page">${name}</a>` : html`<a href="${path}">${name}</a>`;
  return html`<nav aria-label="Pages">${PAGES.map(link)}</nav>`;
}

function logOut(csrfToken: string): Html {
  return html`<form method="post" action="/portal/logout"><input type="hidden" name="csrf" value="${csrfToken}"><button class="quiet">Log out</button></form>`;
}
