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
import { type AppserverCore, appserverCore } from './appserver-core.ts';
import type { Bus } from './bus/bus.ts';
import type { AppserverConfig } from './config.ts';
import type { Directory } from './directory/directory.ts';
import { registrarClient } from './directory/registrar-client.ts';
import { SitePackages } from './directory/site-packages.ts';
import type { SqlMailboxes } from './mailboxes/sql-mailboxes.ts';
import { portalRouter } from './portal/portal-router.ts';
import { Sessions } from './portal/sessions.ts';
import type { Receiver } from './receiver/receiver.ts';
import { builtInModules } from './service-modules/built-in-modules.ts';
import type { ServiceModule } from './service-modules/service-module.ts';
import { allMigrations } from './store/all-migrations.ts';
import type { Database } from './store/database.ts';
import { databasePath, SqliteDatabase } from './store/sqlite-database.ts';

export interface AppserverOptions {
  readonly config: AppserverConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** besides the built-in ones */
  readonly modules?: readonly ServiceModule[];
  /** the database has turned out damaged while in use */
  readonly onDamage?: (error: unknown) => void;
}

/**
 * The application server, put together. `components` start in order: store, what is read from it, modules, then the
 * listeners; they stop from the listeners on, so that what was taken is answered before the store closes.
 */
export class Appserver {
  readonly core: AppserverCore;
  readonly database: Database;
  readonly services: Services;
  readonly relay: RelayListener;
  readonly staff: StaffListener;
  readonly admin: AdminListener;
  readonly metrics = new Metrics('appserver');
  readonly components: readonly Component[];
  readonly #options: AppserverOptions;
  readonly #self: Identity;

  constructor(options: AppserverOptions) {
    const { config, clock, random } = options;
    const { dataDirectory, trustDomain } = config;
    const tls = loadTlsMaterial(dataDirectory);
    const self = selfOf(tls, trustDomain);
    this.#self = self;
    const logger = options.logger.child({ component: self.id });
    this.#options = { ...options, logger };
    const modules = [...builtInModules(), ...(options.modules ?? [])];
    const database = new SqliteDatabase({
      ...{ path: databasePath(dataDirectory), migrations: allMigrations(modules), now: () => clock.now() },
      report: (finding) => logger.error(finding, 'the store is not whole'),
      onAfterCommitFailed: (error) => logger.error({ error }, 'what follows a commit has failed'),
      ...(options.onDamage === undefined ? {} : { onDamage: options.onDamage }),
    });
    this.database = database;
    const { metrics } = this;
    this.core = appserverCore({ self, config, database, modules, clock, random, logger, metrics });
    const { facts, directory, receiver } = this.core;
    this.relay = new RelayListener({
      ...{ self: self.id, ...config.relay, tls: config.relay.plain ? 'plain' : tls, trustDomain },
      ...{ handler: receiver, clock, random, logger, metrics },
    });
    const routes = allRoutes(modules);
    let description: object | undefined;
    this.services = {
      ...this.core,
      ...{
        self: self.id,
        database,
        clock,
        overdueAfterMs: config.overdueAfterMs,
        commandPathAfterMs: config.commandPathAfterMs,
        startedAt: clock.now(),
      },
      ledgerGraceMs: config.ledger.graceMs,
      sitePackages: this.#sitePackages(),
      openApi: () => (description ??= openApiOf(routes)),
    };
    const secretFile = join(dataDirectory, 'admin-secret');
    const authentication = new AdminSecret({ database, facts, random, file: secretFile });
    const sessions = new Sessions(clock, random);
    const { deadLetters, notifications } = this.core;
    const portal = portalRouter({
      ...{ database, live: this.services, modules, authentication, sessions, clock, deadLetters, notifications },
      ...{ directory: this.core.directory, ledgerGraceMs: config.ledger.graceMs },
    });
    this.staff = new StaffListener({
      ...{ ...config.staff, tls: () => tls, logger, after: (ms, action) => clock.after(ms, action) },
      routers: [
        ['/api/v1', apiRouter(routes, this.services, authentication)],
        ['/', portal],
      ],
    });
    this.admin = new AdminListener({
      ...{ ...config.admin, metrics, version: VERSION, logger },
      ready: () => this.#readiness(),
    });
    const secret = { name: 'admin secret', start: () => authentication.load(), stop: async () => undefined };
    this.components = [database, ...this.core.components, secret, this.admin, this.staff, this.relay];
    directory.onRevoked((id) => this.relay.disconnect(id));
  }

  get directory(): Directory {
    return this.core.directory;
  }

  get mailboxes(): SqlMailboxes {
    return this.core.mailboxes;
  }

  get receiver(): Receiver {
    return this.core.receiver;
  }

  get bus(): Bus {
    return this.core.bus;
  }

  /** For runtime.json. */
  describe(): object {
    return { id: this.#self.id, admin: this.admin.url, listeners: { relay: this.relay.url, staff: this.staff.url } };
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
}

/** Who this is stands in its own certificate. @throws BH-E-ID-KIND when that is not an application server's */
function selfOf({ cert }: TlsMaterial, trustDomain: string): Identity {
  const identity = certificateIdentity(new X509Certificate(cert).raw, trustDomain, 'server');
  if (identity.kind !== 'appserver')
    throw new BackhaulError('BH-E-ID-KIND', { detail: `the certificate is of ${identity.id}` });
  return identity;
}
