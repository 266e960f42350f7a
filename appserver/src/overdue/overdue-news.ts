import { isoTime } from '@backhaul/runtime';
import type { NewNotification, Severity } from '../notifications/notification.ts';
import type { OverdueNews } from './overdue-machine.ts';

/** More news than this of one customer at a time are told in one notification. */
const TOLD_SINGLY = 3;
/** Named in a summary; the others are counted. */
const NAMED = 20;

const SEVERITY: Readonly<Record<string, Severity>> = { mlm: 'critical', proxy: 'major' };
const severityOf = (kind: string): Severity => SEVERITY[kind] ?? 'minor';
const WORST: readonly Severity[] = ['critical', 'major', 'minor'];

/** What people are told of the news of one customer: each by itself, or a summary when there are many. Pure. */
export function overdueNotifications(news: readonly OverdueNews[]): NewNotification[] {
  const overdue = news.filter((one) => one.type === 'overdue');
  const back = news.filter((one) => one.type === 'back');
  return [
    ...(overdue.length > TOLD_SINGLY ? [overdueSummary(overdue)] : overdue.map(overdueOf)),
    ...(back.length > TOLD_SINGLY ? [backSummary(back)] : back.map(backOf)),
  ];
}

type Overdue = Extract<OverdueNews, { type: 'overdue' }>;
type Back = Extract<OverdueNews, { type: 'back' }>;

function overdueOf({ state, behind }: Overdue): NewNotification {
  const { id, kind, customer, site, since } = state;
  const others = behind === 0 ? '' : ` ${counted(behind)} behind it cannot be reached either.`;
  return {
    ...{ kind: 'component.overdue', severity: severityOf(kind), customer, site, subject: id },
    text: `${kind} ${id}${placeOf(site)} is overdue: not heard since ${isoTime(since)}.${others}`,
    data: { component: id, kind, since: isoTime(since), behind },
  };
}

function backOf({ state, awayMs }: Back): NewNotification {
  const { id, kind, customer, site, since } = state;
  return {
    ...{ kind: 'component.back', severity: 'info', customer, site, subject: id },
    text: `${kind} ${id}${placeOf(site)} is back; it was away for ${spanOf(awayMs)}, since ${isoTime(since)}.`,
    data: { component: id, kind, since: isoTime(since), awayMs },
  };
}

function overdueSummary(news: readonly Overdue[]): NewNotification {
  const { customer } = news[0]!.state;
  const severities = new Set(news.map(({ state }) => severityOf(state.kind)));
  const behind = news.reduce((sum, one) => sum + one.behind, 0);
  const others = behind === 0 ? '' : ` ${counted(behind)} behind them cannot be reached either.`;
  const text = `${counted(news.length)} of ${customer} are overdue.${others}\n${listOf(news, (one) => `${one.state.kind} ${one.state.id}${placeOf(one.state.site)}: not heard since ${isoTime(one.state.since)}`)}`;
  return {
    ...{ kind: 'component.overdue', severity: WORST.find((s) => severities.has(s))!, customer, site: commonSite(news) },
    ...{ subject: customer, text },
    data: { components: idsOf(news), count: news.length, behind },
  };
}

function backSummary(news: readonly Back[]): NewNotification {
  const { customer } = news[0]!.state;
  const text = `${counted(news.length)} of ${customer} are back.\n${listOf(news, (one) => `${one.state.kind} ${one.state.id}${placeOf(one.state.site)}: away for ${spanOf(one.awayMs)}`)}`;
  return {
    ...{ kind: 'component.back', severity: 'info', customer, site: commonSite(news), subject: customer, text },
    data: { components: idsOf(news), count: news.length },
  };
}

function listOf<N extends OverdueNews>(news: readonly N[], line: (one: N) => string): string {
  const lines = news.slice(0, NAMED).map(line);
  return [...lines, ...(news.length > NAMED ? [`and ${news.length - NAMED} more`] : [])].join('\n');
}

const idsOf = (news: readonly OverdueNews[]): string[] => news.slice(0, NAMED).map(({ state }) => state.id);
const placeOf = (site: string | null): string => (site === null ? '' : ` (${site})`);
const counted = (count: number): string => (count === 1 ? '1 component' : `${count} components`);

function commonSite(news: readonly OverdueNews[]): string | null {
  const [first] = news;
  return news.every(({ state }) => state.site === first!.state.site) ? first!.state.site : null;
}

/** `2 h 5 min`: the two largest units. */
export function spanOf(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
}
