import { join } from 'node:path';
import type { Identity } from '@backhaul/identity';
import type { Clock, Component, Logger, Metrics, Random } from '@backhaul/runtime';
import { registerGauges } from './appserver-metrics.ts';
import { ArtifactStore } from './artifacts/artifact-store.ts';
import { type Bus, InProcessBus } from './bus/bus.ts';
import type { AppserverConfig } from './config.ts';
import { Directory } from './directory/directory.ts';
import { LastHeard } from './directory/last-heard.ts';
import { Housekeeping } from './housekeeping.ts';
import { Downward } from './mailboxes/downward.ts';
import { SqlMailboxes } from './mailboxes/sql-mailboxes.ts';
import { Notifications } from './notifications/notifications.ts';
import { OverdueWatch } from './overdue/overdue-watch.ts';
import { Receiver } from './receiver/receiver.ts';
import { LaterPaths } from './service-modules/later-paths.ts';
import { ModuleHost } from './service-modules/module-host.ts';
import type { ServiceModule } from './service-modules/service-module.ts';
import { ClockJumps } from './store/clock-jumps.ts';
import type { Database } from './store/database.ts';
import { Facts } from './store/facts.ts';
import { Retention } from './store/retention.ts';

/** What the core needs of the world: a store that is migrated for its modules, time and dice. */
export interface AppserverSurroundings {
  readonly self: Identity;
  readonly config: AppserverConfig;
  readonly database: Database;
  readonly modules: readonly ServiceModule[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export type AppserverCore = ReturnType<typeof appserverCore>;

/** Everything of an application server but its listeners and its certificates: what is received, kept and sent down. */
export function appserverCore(around: AppserverSurroundings) {
  const { self, config, database, clock, random, logger, metrics } = around;
  const facts = new Facts(database);
  const bus: Bus = new InProcessBus(logger);
  const mailboxes = new SqlMailboxes({
    ...{ database, clock, quota: config.mailbox },
    epoch: () => facts.require('mailboxEpoch'),
  });
  const downward = new Downward({
    ...{ self: self.id, mailboxes, clock, random },
    epoch: () => facts.require('numberingEpoch'),
  });
  const directory = new Directory({ database, self, downward, clock, random });
  const lastHeard = new LastHeard(database, clock);
  const notifications = new Notifications({ ...around, config: config.notifications });
  const overdue = new OverdueWatch({
    ...{ database, directory, lastHeard, notifier: notifications, bus, clock, logger },
    settings: { ...config.overdue, afterMs: config.overdueAfterMs },
  });
  const modules = new ModuleHost([...around.modules, overdue.module], clock, logger, metrics);
  const artifacts = new ArtifactStore({
    ...{ database, clock, logger, maxBytes: config.artifacts.maxBytes },
    tree: () => directory.tree,
    folder: join(config.dataDirectory, 'artifacts'),
  });
  const parts = { database, directory, lastHeard, mailboxes, modules, artifacts, clock, logger, metrics };
  const receiver = new Receiver({ ...parts, bus, notifier: notifications });
  const laterPaths = new LaterPaths({ database, directory, downward, clock, logger });
  const jumps = new ClockJumps({
    ...{ database, facts, clock, logger },
    move: async (tx, ms, before) => {
      await mailboxes.moveTimes(tx, ms);
      await modules.moveTimes(tx, ms, before);
    },
  });
  const now = () => jumps.believed();
  const retention = new Retention({ database, clock, now, logger, settings: config.retention });
  const housekeeping = new Housekeeping({ ...parts, retention, jumps, pruneEveryMs: config.retention.intervalMs });
  const state = loading('state', async () => {
    const known = await facts.load(random);
    if (known === 'restored') logger.warn({}, 'the store is a restored copy: new epochs are used');
    await jumps.load();
    await directory.load();
    await mailboxes.load();
    await lastHeard.load();
  });
  const moduleRun: Component = {
    name: 'modules',
    start: () => modules.start({ self: self.id, clock, logger, bus, notifier: notifications }),
    stop: () => modules.stop(),
  };
  registerGauges(metrics, { ...parts, overdueAfterMs: config.overdueAfterMs });
  return {
    ...{ facts, bus, mailboxes, downward, directory, modules, lastHeard, artifacts, receiver, retention },
    ...{ notifications, overdue, deadLetters: receiver.deadLetters },
    /** to be started in this order, after the database and before the listeners */
    components: [
      state,
      notifications,
      overdue,
      moduleRun,
      laterPaths,
      artifacts,
      housekeeping,
      receiver,
    ] as readonly Component[],
  };
}

function loading(name: string, load: () => Promise<void>): Component {
  return { name, start: load, stop: async () => undefined };
}
