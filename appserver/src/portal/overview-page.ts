import { type Html, html } from './html.ts';
import { ago, page, panel, pill, table } from './layout.ts';

export interface OverviewView {
  readonly version: string;
  readonly csrfToken: string;
  /** wall ms */
  readonly now: number;
  /** a few figures at the top, in the order shown */
  readonly figures: readonly { readonly label: string; readonly value: string }[];
  readonly components: readonly OverviewComponent[];
  /** what the service modules show, in the order of the modules */
  readonly panels: readonly Html[];
}

export interface OverviewComponent {
  readonly id: string;
  readonly kind: string;
  readonly customer: string;
  readonly site: string | null;
  readonly parent: string | null;
  readonly state: string;
  readonly lastHeardAt: number | null;
  readonly overdue: boolean;
  readonly version: string | null;
  /** messages waiting in its spool, as it said last */
  readonly backlog: number | null;
}

/** The first page: who is there, when heard last, what is wrong, what is being installed. */
export function overviewPage(view: OverviewView): string {
  return page(
    { title: 'Overview', version: view.version, refreshSeconds: 10, csrfToken: view.csrfToken },
    html`<h1>Overview</h1>
<p class="lead">${summary(view)}</p>
<dl class="figures">${view.figures.map(({ label, value }) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
${sites(view)}
${view.panels}`,
  );
}

function summary({ components }: OverviewView): string {
  const overdue = components.filter((component) => component.overdue && component.state === 'active').length;
  if (components.length === 0) return 'No component is registered yet.';
  return overdue === 0
    ? 'Everything that should be heard is heard.'
    : `${overdue} of ${components.length} components are overdue.`;
}

/** One panel a site; the provider's own components last. */
function sites({ components, now }: OverviewView): Html {
  const names = [...new Set(components.map(siteOf))].toSorted(
    (a, b) => Number(a === PROVIDER) - Number(b === PROVIDER) || a.localeCompare(b),
  );
  if (names.length === 0) {
    return panel(
      'sites',
      'Sites',
      '',
      html`<p class="empty">No sites yet. <code>backhaul customers add</code>, then <code>backhaul sites add</code> and <code>backhaul sites package</code>.</p>`,
    );
  }
  return html`${names.map((name, index) =>
    sitePanel(
      `site-${index}`,
      name,
      components.filter((component) => siteOf(component) === name),
      now,
    ),
  )}`;
}

const PROVIDER = 'Provider';
const siteOf = ({ site, customer }: OverviewComponent): string => (site === null ? PROVIDER : `${site} · ${customer}`);

function sitePanel(id: string, name: string, members: readonly OverviewComponent[], now: number): Html {
  const heard = members.filter((member) => !member.overdue && member.lastHeardAt !== null).length;
  const rows = members.map((member) => [
    html`<code>${member.id}</code>`,
    member.kind,
    member.parent === null ? '' : html`<code>${member.parent}</code>`,
    componentPill(member),
    ago(member.lastHeardAt, now),
    member.backlog === null ? '' : String(member.backlog),
    member.version ?? '',
  ]);
  return panel(
    id,
    name,
    `${heard} of ${members.length} heard`,
    table(['Component', 'Kind', 'Parent', 'State', 'Last heard', 'Waiting', 'Version'], rows, 'No components.'),
  );
}

function componentPill({ state, overdue, lastHeardAt }: OverviewComponent): Html {
  if (state !== 'active') return pill('bad', state);
  if (overdue) return pill('warn', 'overdue');
  return lastHeardAt === null ? pill('idle', 'never heard') : pill('good', 'heard');
}
