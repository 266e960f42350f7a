import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { certificateIdentity, type Identity, loadTlsMaterial, type TlsMaterial } from '@backhaul/identity';
import {
  AdminListener,
  BackhaulError,
  type Clock,
  type Component,
  type Logger,
  Metrics,
  type Random,
  type Readiness,
  VERSION,
} from '@backhaul/runtime';
import { RelayListener } from '@backhaul/transport';
import { allRoutes } from './api/all-routes.ts';
import { apiRouter } from './api/api-router.ts';
import { AdminSecret } from './api/authentication.ts';
import { openApiOf } from './api/openapi.ts';
import type { Services } from './api/services.ts';
import { StaffListener } from './api/staff-listener.ts';
import { ArtifactStore } from './artifacts/artifact-store.ts';
import { type Bus, InProcessBus } from './bus/bus.ts';
import type { AppserverConfig } from './config.ts';
import { Directory } from './directory/directory.ts';
import { LastHeard } from './directory/last-heard.ts';
import { registrarClient } from './directory/registrar-client.ts';
import { SitePackages } from './directory/site-packages.ts';
import { Housekeeping } from './housekeeping.ts';
import { Downward } from './mailboxes/downward.ts';
import { SqlMailboxes } from './mailboxes/sql-mailboxes.ts';
import { portalRouter } from './portal/portal-router.ts';
import { Sessions } from './portal/sessions.ts';
import { Receiver } from './receiver/receiver.ts';
import { builtInModules } from './service-modules/built-in-modules.ts';
import { ModuleHost } from './service-modules/module-host.ts';
import type { ServiceModule } from './service-modules/service-module.ts';
import { allMigrations } from './store/all-migrations.ts';
import type { Database } from './store/database.ts';
import { Facts } from './store/facts.ts';
import { Retention } from './store/retention.ts';
import { databasePath, SqliteDatabase } from './store/sqlite-database.ts';

export interface AppserverOptions {
  readonly config: AppserverConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** besides the built-in ones */
  readonly modules?: readonly ServiceModule[];
}

/**
 * The application server, put together. `components` start in order: store, what is read from it, modules, then the
 * listeners; they stop from the listeners on, so that what was taken is answered before the store closes.
 */
export class Appserver {
  readonly database: Database;
  readonly directory: Directory;
  readonly mailboxes: SqlMailboxes;
  readonly receiver: Receiver;
  readonly bus: Bus;
  readonly services: Services;
  readonly relay: RelayListener;
  readonly staff: StaffListener;
  readonly admin: AdminListener;
  readonly metrics = new Metrics('appserver');
  readonly components: readonly Component[];
  readonly #options: AppserverOptions;
  readonly #self: Identity;
  readonly #facts: Facts;
  readonly #modules: readonly ServiceModule[];

  constructor(options: AppserverOptions) {
    const { config, clock, random } = options;
    const { dataDirectory, trustDomain } = config;
    const tls = loadTlsMaterial(dataDirectory);
    this.#self = selfOf(tls, trustDomain);
    const logger = options.logger.child({ component: this.#self.id });
    this.#options = { ...options, logger };
    this.#modules = [...builtInModules(), ...(options.modules ?? [])];
    this.database = new SqliteDatabase({ path: databasePath(dataDirectory), migrations: allMigrations(this.#modules) });
    this.#facts = new Facts(this.database);
    this.bus = new InProcessBus(logger);
    const { database, metrics } = this;
    this.mailboxes = new SqlMailboxes({
      database,
      clock,
      quota: config.mailbox,
      epoch: () => this.#facts.require('mailboxEpoch'),
    });
    const downward = new Downward({
      self: this.#self.id,
      epoch: () => this.#facts.require('numberingEpoch'),
      mailboxes: this.mailboxes,
      clock,
      random,
    });
    this.directory = new Directory({ database, self: this.#self, downward, clock, random });
    const modules = new ModuleHost(this.#modules, clock, logger, metrics);
    const lastHeard = new LastHeard(database, clock);
    const tree = () => this.directory.tree;
    const artifacts = new ArtifactStore({
      database,
      tree,
      folder: join(dataDirectory, 'artifacts'),
      maxBytes: config.artifacts.maxBytes,
      clock,
      logger,
    });
    this.receiver = new Receiver({
      database,
      directory: this.directory,
      lastHeard,
      modules,
      mailboxes: this.mailboxes,
      artifacts,
      clock,
      logger,
      metrics,
    });
    this.relay = new RelayListener({
      self: this.#self.id,
      ...config.relay,
      tls,
      trustDomain,
      handler: this.receiver,
      clock,
      random,
      logger,
      metrics,
    });
    const routes = allRoutes(this.#modules);
    let description: object | undefined;
    this.services = {
      ...{
        self: this.#self.id,
        database,
        directory: this.directory,
        lastHeard,
        mailboxes: this.mailboxes,
        downward,
        artifacts,
        modules,
        clock,
      },
      ...{
        overdueAfterMs: config.overdueAfterMs,
        startedAt: clock.now(),
        sitePackages: this.#sitePackages(),
        openApi: () => (description ??= openApiOf(routes)),
      },
    };
    const authentication = new AdminSecret({
      database,
      facts: this.#facts,
      random,
      file: join(dataDirectory, 'admin-secret'),
    });
    const portal = portalRouter({
      database,
      live: this.services,
      modules: this.#modules,
      authentication,
      sessions: new Sessions(clock, random),
      clock,
    });
    this.staff = new StaffListener({
      ...{ ...config.staff, tls: () => tls, logger, after: (ms, action) => clock.after(ms, action) },
      routers: [
        ['/api/v1', apiRouter(routes, this.services, authentication)],
        ['/', portal],
      ],
    });
    this.admin = new AdminListener({
      ...config.admin,
      metrics,
      version: VERSION,
      ready: () => this.#readiness(),
      logger,
    });
    const retention = new Retention({ database, clock, logger, settings: config.retention });
    this.components = [
      this.database,
      loading('state', () => this.#load(lastHeard, authentication)),
      {
        name: 'modules',
        start: () => modules.start({ self: this.#self.id, clock, logger, bus: this.bus }),
        stop: () => modules.stop(),
      },
      artifacts,
      new Housekeeping({
        database,
        lastHeard,
        mailboxes: this.mailboxes,
        modules,
        retention,
        pruneEveryMs: config.retention.intervalMs,
        clock,
        logger,
      }),
      this.receiver,
      this.admin,
      this.staff,
      this.relay,
    ];
    this.directory.onRevoked((id) => this.relay.disconnect(id));
    this.#gauges(lastHeard);
  }

  /** For runtime.json. */
  describe(): object {
    return { id: this.#self.id, admin: this.admin.url, listeners: { relay: this.relay.url, staff: this.staff.url } };
  }

  async #load(lastHeard: LastHeard, authentication: AdminSecret): Promise<void> {
    const { random, logger } = this.#options;
    const known = await this.#facts.load(random);
    if (known === 'restored') logger.warn({}, 'the store is a restored copy: new epochs are used');
    await this.directory.load();
    await this.mailboxes.load();
    await lastHeard.load();
    await authentication.load();
  }

  #sitePackages(): SitePackages {
    const { dataDirectory, trustDomain, authority, relay } = this.#options.config;
    return new SitePackages({
      ...{
        database: this.database,
        directory: this.directory,
        dataDirectory,
        trustDomain,
        enrolUrl: authority?.enrolUrl,
      },
      registrar: authority && registrarClient({ url: authority.registrarUrl, dataDirectory, trustDomain }),
      relayUrl: () => relay.url ?? this.relay.url,
    });
  }

  #readiness(): Readiness {
    const relay = this.relay.ready;
    const staff = this.staff.url !== '';
    const { commits, writing } = this.database.stats();
    return {
      ready: relay && staff && writing,
      checks: {
        relay: { ok: relay },
        staff: { ok: staff },
        store: { ok: writing, detail: writing ? `${commits} commits` : 'it cannot be written: is the disk full?' },
      },
    };
  }

  #gauges(lastHeard: LastHeard): void {
    const { metrics, mailboxes, database, directory } = this;
    const { overdueAfterMs } = this.#options.config;
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
    metrics.labelledGauge(
      'mailbox_bytes',
      'Bytes waiting in the mailbox of a direct child',
      ['owner'],
      labels('bytes'),
    );
  }
}

function loading(name: string, load: () => Promise<void>): Component {
  return { name, start: load, stop: async () => undefined };
}

/** Who this is stands in its own certificate. @throws BH-E-ID-KIND when that is not an application server's */
function selfOf({ cert }: TlsMaterial, trustDomain: string): Identity {
  const identity = certificateIdentity(new X509Certificate(cert).raw, trustDomain, 'server');
  if (identity.kind !== 'appserver')
    throw new BackhaulError('BH-E-ID-KIND', { detail: `the certificate is of ${identity.id}` });
  return identity;
}
