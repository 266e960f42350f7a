import type { Metrics } from '@backhaul/runtime';
import type { Directory } from './directory/directory.ts';
import type { LastHeard } from './directory/last-heard.ts';
import type { SqlMailboxes } from './mailboxes/sql-mailboxes.ts';
import type { Database } from './store/database.ts';

interface Gauged {
  readonly database: Database;
  readonly directory: Directory;
  readonly lastHeard: LastHeard;
  readonly mailboxes: SqlMailboxes;
  readonly overdueAfterMs: number;
}

/** What is read when somebody asks for the metrics. */
export function registerGauges(metrics: Metrics, gauged: Gauged): void {
  const { database, directory, lastHeard, mailboxes, overdueAfterMs } = gauged;
  const active = () => directory.tree.all().filter(({ state }) => state === 'active');
  metrics.gauge('store_bytes', 'Bytes of the store on disk', () => database.stats().bytes);
  metrics.gauge('components', 'Active components', () => active().length);
  metrics.gauge(
    'components_overdue',
    'Active components that were heard of before, but not lately',
    () => active().filter(({ id }) => lastHeard.isOverdue(id, overdueAfterMs)).length,
  );
  const labels = (field: 'messages' | 'bytes') => () =>
    mailboxes.depths().map((depth) => ({ labels: { owner: depth.owner }, value: depth[field] }));
  metrics.labelledGauge(
    'mailbox_messages',
    'Messages waiting in the mailbox of a direct child',
    ['owner'],
    labels('messages'),
  );
  metrics.labelledGauge('mailbox_bytes', 'Bytes waiting in the mailbox of a direct child', ['owner'], labels('bytes'));
}
