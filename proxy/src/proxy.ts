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
import { LevelStore, type Store } from '@backhaul/spool';
import { Uplink } from '@backhaul/transport';
import { checkSocketPath, IntegratorApi } from './api/integrator-api.ts';
import { installerProcess, integratorProcess } from './child-processes.ts';
import type { ProxyConfig } from './config.ts';
import { InstallerClient } from './install/installer-client.ts';
import { type ProxyCore, proxyCore } from './proxy-core.ts';

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

/** Puts the parts of a proxy together: its core, and the network and the processes around it. Nothing runs before its components are started. */
export function buildProxy(options: ProxyOptions): Proxy {
  const { config, clock, random, logger } = options;
  const socketPath = join(config.dataDirectory, 'integrator.sock');
  const installerSocket = join(config.dataDirectory, 'installer.sock');
  for (const path of [socketPath, installerSocket]) checkSocketPath(path);

  const store = options.store ?? levelStore(options);
  const registry = new Metrics('proxy');
  const core = proxyCore({
    ...{ self: options.identity.id, config, store, clock, random, logger, metrics: registry },
    installer: config.installer.enabled ? new InstallerClient(installerSocket, clock) : undefined,
    fetchArtifact: (sha256, size, toPath, fetch) => uplink.fetchArtifact(sha256, size, toPath, fetch),
    uplink: () => uplink.status(),
  });
  const uplink = makeUplink(options, core, registry);
  const ready = () => readiness(store, uplink, core.watch.trouble);
  const admin = new AdminListener({ ...config.admin, metrics: registry, version: VERSION, logger, ready });
  const { accept, liveness, board, notices, metrics, registrar, status } = core;
  const { maxRequestBytes, maxConnections } = config.api;
  const children = { clock, random, logger };
  return {
    components: [
      ...[store, core.state, admin, uplink],
      ...(config.installer.enabled ? [installerProcess(config, installerSocket, children)] : []),
      core.runner,
      ...core.timers,
      new IntegratorApi({
        ...{ socketPath, accept, registrar, liveness, board, notices, metrics, status, clock, logger },
        ...{ maxRequestBytes, maxConnections },
      }),
      ...config.integrators.map((integrator) => integratorProcess(integrator, socketPath, children)),
    ],
    describe: () => ({ admin: admin.url, listeners: { integrator: socketPath } }),
  };
}

function levelStore({ config, clock, logger }: ProxyOptions): Store {
  const { ballastBytes, reserveBytes } = config.spool;
  const space = { ballastBytes, ...(reserveBytes === undefined ? {} : { reserveBytes }) };
  return new LevelStore({ directory: join(config.dataDirectory, 'store'), clock, logger, ...space });
}

function makeUplink(options: ProxyOptions, core: ProxyCore, metrics: Metrics): Uplink {
  const { config, identity, tls, clock, random, logger } = options;
  return new Uplink({
    ...{ self: identity, parents: config.parents, tls, outboundProxy: config.outboundProxy, ...config.uplink },
    ...core.upward,
    ...{ clock, random, logger, metrics },
  });
}

/** Ready is who takes messages. */
function readiness({ state, accepting }: Store, uplink: Uplink, trouble: string | undefined): Readiness {
  const checks = {
    store: { ok: state === 'open', detail: state },
    accepting: { ok: accepting, detail: accepting ? 'there is disk space' : 'disk space is short' },
    parent: parentCheck(uplink),
    progress: { ok: trouble === undefined, detail: trouble ?? 'everything moves' },
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
