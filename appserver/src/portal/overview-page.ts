import { type Html, html } from './html.ts';
import { page } from './layout.ts';
import { ago, type Column, pill, section, table } from './parts.ts';

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
  /** when it is not simply heard */
  readonly watch: { readonly state: string; readonly behind: string | null } | null;
  readonly version: string | null;
  /** messages waiting in its spool, as it said last */
  readonly backlog: number | null;
}

/** The first page: who is there, when heard last, what is wrong, what is being installed. */
export function overviewPage(view: OverviewView): string {
  return page(
    { title: 'Overview', version: view.version, refreshSeconds: 10, csrfToken: view.csrfToken, path: '/portal' },
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

/** One section a site; the provider's own components last. */
function sites({ components, now }: OverviewView): Html {
  const byProvider = (name: string) => Number(name === PROVIDER);
  const names = [...new Set(components.map(siteOf))].toSorted(
    (a, b) => byProvider(a) - byProvider(b) || a.localeCompare(b),
  );
  if (names.length > 0) {
    return html`${names.map((name, index) =>
      siteSection(
        `site-${index}`,
        name,
        components.filter((component) => siteOf(component) === name),
        now,
      ),
    )}`;
  }
  const how = html`<p class="empty">No sites yet. <code>backhaul customers add</code>, then <code>backhaul sites add</code> and <code>backhaul sites package</code>.</p>`;
  return section('sites', 'Sites', how);
}

const PROVIDER = 'Provider';
const siteOf = ({ site, customer }: OverviewComponent): string => (site === null ? PROVIDER : `${site} · ${customer}`);

function siteSection(id: string, name: string, members: readonly OverviewComponent[], now: number): Html {
  const heard = members.filter((member) => !member.overdue && member.lastHeardAt !== null).length;
  return section(
    id,
    name,
    table(name, columns(now), members, 'No components.'),
    html`<p class="quiet">${heard} of ${members.length} heard</p>`,
  );
}

const columns = (now: number): readonly Column<OverviewComponent>[] => [
  { title: 'Component', cell: ({ id }) => html`<code>${id}</code>` },
  { title: 'Kind', cell: ({ kind }) => kind },
  { title: 'Parent', cell: ({ parent }) => parent !== null && html`<code>${parent}</code>` },
  { title: 'State', cell: componentPill },
  { title: 'Last heard', cell: ({ lastHeardAt }) => ago(lastHeardAt, now) },
  { title: 'Waiting', cell: ({ backlog }) => backlog, numeric: true },
  { title: 'Version', cell: ({ version }) => version },
];

function componentPill({ state, overdue, watch, lastHeardAt }: OverviewComponent): Html {
  if (state !== 'active') return pill(state, 'bad');
  if (watch?.state === 'unreachable') return html`${pill('unreachable', 'warn')} behind <code>${watch.behind}</code>`;
  if (watch?.state === 'returning') return pill('returning', 'good');
  if (overdue) return pill('overdue', 'warn');
  return lastHeardAt === null ? pill('never heard', 'quiet') : pill('heard', 'good');
}
