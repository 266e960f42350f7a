import type { Clock } from '@backhaul/runtime';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import type { DeadLetters } from '../dead-letters/dead-letters.ts';
import type { Directory } from '../directory/directory.ts';
import type { LastHeard } from '../directory/last-heard.ts';
import type { SitePackages } from '../directory/site-packages.ts';
import type { Downward } from '../mailboxes/downward.ts';
import type { SqlMailboxes } from '../mailboxes/sql-mailboxes.ts';
import type { Notifications } from '../notifications/notifications.ts';
import type { OverdueWatch } from '../overdue/overdue-watch.ts';
import type { ModuleHost } from '../service-modules/module-host.ts';
import type { Database } from '../store/database.ts';

/** What routes act on. Reading customers' data goes through the request's `queries`, never through `database`. */
export interface Services {
  readonly self: string;
  readonly database: Database;
  readonly directory: Directory;
  readonly lastHeard: LastHeard;
  readonly sitePackages: SitePackages;
  readonly mailboxes: SqlMailboxes;
  readonly downward: Downward;
  readonly artifacts: ArtifactStore;
  readonly modules: ModuleHost;
  readonly notifications: Notifications;
  readonly overdue: OverdueWatch;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  /** a component not heard of for longer is overdue */
  readonly overdueAfterMs: number;
  /** a path to a support instance has so long to accept a command, then the next one is asked too */
  readonly commandPathAfterMs: number;
  /** how long every hop must have told that it does not hold what is missing */
  readonly ledgerGraceMs: number;
  /** wall ms */
  readonly startedAt: number;
  openApi(): object;
}
