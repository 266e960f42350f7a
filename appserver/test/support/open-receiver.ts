import { identityOf } from '@backhaul/identity';
import { Metrics, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { ArtifactStore } from '../../src/artifacts/artifact-store.ts';
import { InProcessBus } from '../../src/bus/bus.ts';
import { Directory } from '../../src/directory/directory.ts';
import { LastHeard } from '../../src/directory/last-heard.ts';
import { Downward } from '../../src/mailboxes/downward.ts';
import { SqlMailboxes } from '../../src/mailboxes/sql-mailboxes.ts';
import { Receiver } from '../../src/receiver/receiver.ts';
import { builtInModules } from '../../src/service-modules/built-in-modules.ts';
import { ModuleHost } from '../../src/service-modules/module-host.ts';
import { allMigrations } from '../../src/store/all-migrations.ts';
import { databasePath, SqliteDatabase } from '../../src/store/sqlite-database.ts';

export const TRUST_DOMAIN = 'test.example';
export const EPOCH = 'c'.repeat(16);

/** Receiver, directory and store of a folder, without listeners. */
export async function openReceiver(folder: string) {
  const modules = builtInModules();
  const database = new SqliteDatabase({ path: databasePath(folder), migrations: allMigrations(modules) });
  await database.start();
  const common = { database, clock: systemClock, random: systemRandom, logger: silentLogger };
  const mailboxes = new SqlMailboxes({
    ...common,
    epoch: () => EPOCH,
    quota: { maxMessages: 1_000, maxBytes: 1_000_000 },
  });
  const downward = new Downward({ ...common, self: 'provider.a1', epoch: () => EPOCH, mailboxes });
  const directory = new Directory({ ...common, self: identityOf('provider.a1', TRUST_DOMAIN), downward });
  await directory.load();
  const metrics = new Metrics('appserver');
  const host = new ModuleHost(modules, systemClock, silentLogger, metrics);
  const artifacts = new ArtifactStore({ ...common, tree: () => directory.tree, folder, maxBytes: 1 });
  const receiver = new Receiver({
    ...common,
    directory,
    mailboxes,
    artifacts,
    metrics,
    modules: host,
    bus: new InProcessBus(silentLogger),
    notifier: { notify: async () => '' },
    lastHeard: new LastHeard(database, systemClock),
  });
  await receiver.start();
  return { database, directory, receiver };
}
