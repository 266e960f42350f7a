import { join } from 'node:path';
import type { Identity, TlsMaterial } from '@backhaul/identity';
import {
  AdminListener,
  type Clock,
  type Component,
  type Logger,
  Metrics,
  type Random,
  type Readiness,
  VERSION,
} from '@backhaul/runtime';
import { LaneQueue, LevelStore, renewAfterRestore, SequenceCounter, type Store } from '@backhaul/spool';
import { Outbox, renewEpochIfRestored, Uplink } from '@backhaul/transport';
import { checkSocketPath, IntegratorApi } from './api/integrator-api.ts';
import { installerProcess, integratorProcess } from './child-processes.ts';
import type { ProxyConfig } from './config.ts';
import { Directory } from './directory/directory.ts';
import { Liveness } from './directory/liveness.ts';
import { Registrar } from './directory/registrar.ts';
import { CommandBoard } from './downward/command-board.ts';
import { CommandHandler } from './downward/command-handler.ts';
import { Downward } from './downward/downward.ts';
import { SeenMessages } from './downward/seen-messages.ts';
import { Heartbeat } from './heartbeat/heartbeat.ts';
import { statusTree } from './heartbeat/status-tree.ts';
import { InstallRunner } from './install/install-runner.ts';
import { InstallerClient } from './install/installer-client.ts';
import { OfferHandler } from './install/offer-handler.ts';
import { Expiry } from './outbox/expiry.ts';
import { proxyMetrics } from './proxy-metrics.ts';
import { ProxyState } from './proxy-state.ts';
import { proxyStatus } from './proxy-status.ts';

export interface ProxyOptions {
  readonly config: ProxyConfig;
  readonly identity: Identity;
  readonly tls: TlsMaterial | 'plain';
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** another store than LevelDB in the data folder; for tests */
  readonly store?: Store;
}

export interface Proxy {
  /** from the far end back to the source */
  readonly components: readonly Component[];
  /** for runtime.json */
  describe(): { admin: string; listeners: { integrator: string } };
}

/** Puts the parts of a proxy together. Nothing runs before its components are started. */
export function buildProxy(options: ProxyOptions): Proxy {
  const { config, identity, clock, random, logger } = options;
  const self = identity.id;
  const startedAt = clock.now();
  const socketPath = join(config.dataDirectory, 'integrator.sock');
  const installerSocket = join(config.dataDirectory, 'installer.sock');
  for (const path of [socketPath, installerSocket]) checkSocketPath(path);

  const { ballastBytes, reserveBytes } = config.spool;
  const space = { ballastBytes, ...(reserveBytes === undefined ? {} : { reserveBytes }) };
  const store =
    options.store ?? new LevelStore({ directory: join(config.dataDirectory, 'store'), clock, logger, ...space });
  const numbering = new SequenceCounter({ store, random, prefix: 'numbers' });
  const restored = { load: () => renewAfterRestore(config.dataDirectory, { store, numbering, logger }) };
  const spool = new LaneQueue({
    store,
    clock,
    prefix: 'spool',
    maxBytes: config.spool.maxBytes,
    maxMessages: config.spool.maxMessages,
  });
  const outbox = new Outbox({ self, numbering, spool, clock, random });
  const { maxIntegrators, maxInstances } = config.api;
  const directory = new Directory({ self, store, clock, maxIntegrators, maxInstances });
  const liveness = new Liveness(clock);
  const board = new CommandBoard({ store, clock });
  const seen = new SeenMessages(store);
  const registry = new Metrics('proxy');
  const metrics = proxyMetrics(registry, { spool, store, directory, board, now: clock.now });

  const runner: InstallRunner = new InstallRunner({
    ...{ self, store, outbox, clock, logger, metrics },
    installer: config.installer.enabled ? new InstallerClient(installerSocket) : undefined,
    artifactsDirectory: join(config.dataDirectory, 'artifacts'),
    fetchArtifact: (sha256, size, toPath, fetch) => uplink.fetchArtifact(sha256, size, toPath, fetch),
  });
  const status = () =>
    proxyStatus({
      ...{ self, startedAt, numbering, spool, store, directory, board, runner, clock },
      uplink: () => uplink.status(),
      tree: () => statusTree(sources, clock.now()),
    });
  const commands = new CommandHandler({ self, directory, board, status, configuration: () => config });
  const offers = new OfferHandler({ self, runner, clock });
  const downward = new Downward({ self, store, outbox, seen, commands, offers, clock, logger, metrics });
  const uplink: Uplink = new Uplink({
    self: identity,
    parents: config.parents,
    tls: options.tls,
    outboundProxy: config.outboundProxy,
    ...{ store, spool, downward, clock, random, logger, metrics: registry },
    onRemoved: (removed) => outbox.receipts(removed),
    onMarks: async (marks) =>
      void (await renewEpochIfRestored({ self, numbering, spool, store, clock, logger }, marks)),
    ...config.uplink,
  });
  const { integratorOverdueMs, intervalMs } = config.heartbeat;
  const sources = {
    self,
    startedAt,
    directory,
    liveness,
    integratorOverdueMs,
    depth: () => spool.depth(),
    uplink: () => uplink.status(),
  };

  const admin = new AdminListener({
    ...config.admin,
    ...{ metrics: registry, version: VERSION, logger },
    ready: () => readiness(store, uplink),
  });
  const children = { clock, random, logger };
  return {
    components: [
      store,
      new ProxyState(store, [numbering, restored, spool, directory, board, seen, runner], logger),
      admin,
      uplink,
      ...(config.installer.enabled ? [installerProcess(config, installerSocket, children)] : []),
      runner,
      new Expiry({ spool, outbox, board, store, clock, logger, metrics }),
      new Heartbeat({ sources, outbox, store, intervalMs, clock, logger }),
      new IntegratorApi({
        ...{ socketPath, liveness, board, metrics, status, clock, logger },
        accept: { directory, outbox, store, clock },
        registrar: new Registrar({ directory, outbox, store }),
        maxRequestBytes: config.api.maxRequestBytes,
        maxConnections: config.api.maxConnections,
      }),
      ...config.integrators.map((integrator) => integratorProcess(integrator, socketPath, children)),
    ],
    describe: () => ({ admin: admin.url, listeners: { integrator: socketPath } }),
  };
}

/** Ready is who takes messages. */
function readiness({ state, accepting }: Store, uplink: Uplink): Readiness {
  const checks = {
    store: { ok: state === 'open', detail: state },
    accepting: { ok: accepting, detail: accepting ? 'there is disk space' : 'disk space is short' },
    parent: parentCheck(uplink),
  };
  return { ready: checks.store.ok && accepting, checks };
}

/** An unreachable parent is told but is no reason to be unready: accepting goes on. */
function parentCheck(uplink: Uplink): { ok: boolean; detail: string } {
  const { connected, parent, lastError, backlog } = uplink.status();
  return {
    ok: connected,
    detail: connected
      ? `${parent} answers`
      : `${parent}: ${lastError?.code ?? 'not reached yet'}, ${backlog} messages wait`,
  };
}
