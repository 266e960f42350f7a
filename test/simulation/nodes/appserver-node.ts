import type { Identity } from '@backhaul/identity';
import { type Component, Metrics } from '@backhaul/runtime';
import type { Services } from '../../../appserver/src/api/services.ts';
import { type AppserverCore, appserverCore } from '../../../appserver/src/appserver-core.ts';
import { appserverConfig } from '../../../appserver/src/config.ts';
import { readLedger } from '../../../appserver/src/queries/ledger.ts';
import { builtInModules } from '../../../appserver/src/service-modules/built-in-modules.ts';
import { commands } from '../../../appserver/src/service-modules/commands.ts';
import type { ArrivedMessage, ServiceModule } from '../../../appserver/src/service-modules/service-module.ts';
import { allMigrations } from '../../../appserver/src/store/all-migrations.ts';
import { EVERYTHING } from '../../../appserver/src/store/scope.ts';
import { ScopedQueries } from '../../../appserver/src/store/scoped-queries.ts';
import type { Incarnation } from '../incarnation.ts';
import { SimDatabase } from '../sim-database.ts';
import type { World } from '../world.ts';
import { type SimServer, simServer } from './line-server.ts';
import { type Run, SimNode } from './sim-node.ts';

export type CommandTarget = { readonly component: string } | { readonly group: string };

/** An application server: its real core over SQLite in a folder of this world, below it the simulated network. */
export class AppserverNode extends SimNode {
  core: AppserverCore | undefined;
  database: SimDatabase | undefined;
  readonly #folder: string;

  constructor(world: World, identity: Identity, folder: string) {
    super(world, identity);
    this.#folder = folder;
  }

  /** What staff do over the API. Undefined: nobody is there. */
  async command(destination: CommandTarget, command: string, expiresInMs: number): Promise<string | undefined> {
    const { core, database, life } = this;
    if (core === undefined || database === undefined || life === undefined || !this.running) return undefined;
    const post = commands.routes!.find(({ method, path }) => method === 'post' && path === '/commands')!;
    const services = { ...core, self: this.id, database, clock: life.clock } as unknown as Services;
    const request = {
      ...{ params: {}, query: {}, body: { destination, command, expiresInMs } },
      ...{ queries: this.queries(), services, now: life.clock.now() },
    };
    const { id } = (await post.handle(request as never)) as { id: string };
    return id;
  }

  /** Who is meant by a command, as staff see it. */
  async membersOf(command: string): Promise<string[]> {
    const rows = await this.queries()
      .from('commandMembers')
      .select('component')
      .where('commandId', '=', command)
      .execute();
    return rows.map(({ component }) => component);
  }

  queries(): ScopedQueries {
    return new ScopedQueries(this.database!.reader, EVERYTHING);
  }

  /** Sequence numbers of a source that have neither arrived nor a receipt; the real ledger says so. */
  async unexplained(source: string): Promise<number> {
    const around = { tree: this.core!.directory.tree, graceMs: 0, now: 0 };
    const { unexplained, inFlight } = await readLedger(this.queries(), source, { limit: 1 } as never, around);
    return unexplained + inFlight;
  }

  /** `source/epoch/lane` → `first:last:reason …` */
  async tombstones(): Promise<Map<string, string>> {
    const rows = await this.queries().from('tombstones').selectAll().execute();
    const streams = Map.groupBy(rows, ({ source, epoch, lane }) => `${source}/${epoch}/${lane}`);
    return new Map(
      [...streams].map(([stream, ranges]) => [
        stream,
        ranges.map(({ first, last, reason }) => `${first}:${last}:${reason}`).join(' '),
      ]),
    );
  }

  protected make(life: Incarnation): Run {
    const { world, identity, random } = this;
    const { clock } = life;
    const logger = this.logger();
    const modules = [...builtInModules(), this.#recorder()];
    const database = new SimDatabase({
      ...{ path: `${this.#folder}/${this.id}.db`, migrations: allMigrations(modules), life, random },
      ...{ conditions: world.diskConditions(this), identity: this.id },
    });
    const config = appserverConfig.parse({
      dataDirectory: `/simulated/${this.id}`,
      trustDomain: identity.trustDomain,
    });
    const metrics = new Metrics('appserver');
    const core = appserverCore({ self: identity, config, database, modules, clock, random, logger, metrics });
    world.variation.appserver({ node: this, core, database, life });
    const onRefused = (from: string, error: unknown) => world.refused(this.id, from, error);
    const handler = world.watched(this.id, core.receiver);
    const server: SimServer = simServer({ self: this.id, handler, life, random, logger, onRefused });
    core.directory.onRevoked((id) => server.disconnect(id));
    const listener: Component = {
      name: 'listener',
      start: async () => world.network.listen(this.id, server),
      stop: async () => {
        server.drain();
        world.network.hangUp(this.id);
      },
    };
    const withoutFiles = core.components.filter(({ name }) => name !== 'artifacts');
    return {
      components: [database, ...withoutFiles, listener],
      started: () => {
        this.core = core;
        this.database = database;
      },
      crash: () => {
        this.core = undefined;
        this.database = undefined;
        return database.crash();
      },
    };
  }

  /** Sees what takes effect here, when it is committed: nothing else of the server knows of it. */
  #recorder(): ServiceModule {
    const { world } = this;
    return {
      name: 'recorder',
      subscriptions: [{ class: '*' }],
      migrations: [],
      async handle(tx, message: ArrivedMessage) {
        const { header, body } = message;
        const content = message.content();
        tx.afterCommit(() => world.tookEffect(header, content, body));
        return undefined;
      },
    };
  }
}
