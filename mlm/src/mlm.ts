import { join } from 'node:path';
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
import { LevelStore, type Removed } from '@backhaul/spool';
import {
  Heartbeat,
  KnownNumbers,
  NoticeQueue,
  ProgressWatch,
  RelayListener,
  renewEpochIfRestored,
  StoreReport,
  Uplink,
} from '@backhaul/transport';
import type { MlmConfig } from './config.ts';
import { type MlmCore, mlmCore } from './mlm-core.ts';
import { type SelfIdentity, selfIdentity, uplinkTls } from './self-identity.ts';

export interface MlmOptions {
  readonly config: MlmConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface MlmParts {
  /** in the order in which they start: from the far end (the parent) back to the source (the children) */
  readonly components: readonly Component[];
  /** what runtime.json says */
  describe(): { admin: string; listeners: { relay: string } };
  readonly store: LevelStore;
}

type Common = MlmOptions & { readonly self: SelfIdentity; readonly metrics: Metrics; readonly store: LevelStore };

/** An MLM: its core, and the network on both sides of it. Throws BH-E-CONFIG, BH-E-ID-MISSING. */
export function mlmParts(options: MlmOptions): MlmParts {
  const { config, clock, random } = options;
  const self = selfIdentity(config);
  const { id } = self.identity;
  const logger = options.logger.child({ component: id });
  const metrics = new Metrics('mlm');
  const { ballastBytes, reserveBytes } = config.spool;
  const space = { ballastBytes, ...(reserveBytes === undefined ? {} : { reserveBytes }) };
  const store = new LevelStore({ directory: join(config.dataDirectory, 'store'), clock, logger, ...space });
  const core = mlmCore({
    ...{ self: id, config, store, clock, random, logger, metrics },
    fetch: (sha256, size, toPath, how) => uplink.fetchArtifact(sha256, size, toPath, { ...how, ...fetchRate(config) }),
    relay: (entries) => uplink.relay(entries),
    parent: () => uplink.status(),
    onRevoked: (child) => listener.disconnect(child),
  });
  const common: Common = { ...options, logger, self, metrics, store };
  const uplink = makeUplink(common, core);
  const listener = makeListener(common, core);
  const connected = () => uplink.status().connected;
  const ready = () => readiness(store, core, listener.ready, uplink, watch);
  const admin = new AdminListener({ ...config.admin, metrics, version: VERSION, ready, logger });
  const { state, modules, transfers, windows, housekeeping, own, numbering, spool, status } = core;
  const { intervalMs } = config.heartbeat;
  const heartbeat = new Heartbeat({
    ...{ self: id, title: `MLM ${VERSION}`, tree: status, connected, outbox: own, numbering, spool, store },
    holdings: (limit) => spool.holdings(limit),
    ...{ intervalMs, clock, logger },
  });
  const notify: Heartbeat['notify'] = (id, notice) => heartbeat.notify(id, notice);
  const notices = new NoticeQueue({ notify, clock });
  core.handler.twice = ({ identity, address }, what) =>
    notices.say(what, { severity: 'major', text: TWICE[what](identity.id), data: { component: identity.id, address } });
  const report = new StoreReport({ store, notify, clock });
  const watch = new ProgressWatch({
    oldestAccept: () => core.handler.oldestAccept,
    senderStalledAt: () => uplink.status().stalledAt,
    receiveStalledAt: () => uplink.status().receiveStalledAt,
    notify: (id, notice) => notices.say(id, notice),
    ...{ clock, logger, metrics },
  });
  const sources = [listener, watch, admin];
  return {
    components: [
      store,
      state,
      modules,
      uplink,
      transfers,
      windows,
      housekeeping,
      heartbeat,
      notices,
      report,
      ...sources,
    ],
    store,
    describe: () => ({ admin: admin.url, listeners: { relay: listener.url } }),
  };
}

/** What staff is told of two processes with one identity. */
const TWICE = {
  clone: (id: string) => `two live components speak with the identity ${id}: both are refused until one is stopped`,
  'two-pollers': (id: string) => `two processes poll with the identity ${id}: commands go to whichever asks next`,
} as const;

function makeUplink({ config, clock, random, logger, self, metrics, store }: Common, core: MlmCore): Uplink {
  const { id } = self.identity;
  const { spool, numbering, own, downward, upward } = core;
  const known = new KnownNumbers({ self: id, numbering });
  const renewing = { self: id, numbering, known, spool, outbox: own, store, clock, logger };
  return new Uplink({
    ...{ self: self.identity, parents: config.parents, tls: uplinkTls(self, config), store, spool, downward, known },
    ...{ outboundProxy: config.outboundProxy, ...config.uplink },
    ...{ clock, random, logger, metrics },
    ...upward,
    onRemoved: (removed: readonly Removed[]) => own.receipts(removed),
    onMarks: async (marks, how) => {
      await renewEpochIfRestored(renewing, marks, how);
    },
  });
}

function makeListener({ config, clock, random, logger, self, metrics }: Common, { handler }: MlmCore): RelayListener {
  const { host, port, plain } = config.relay;
  const tls = plain ? 'plain' : self.material;
  const { trustDomain } = config;
  return new RelayListener({
    self: self.identity.id,
    host,
    port,
    tls,
    trustDomain,
    handler,
    clock,
    random,
    logger,
    metrics,
  });
}

function fetchRate({ transfers: { maxBytesPerSecond } }: MlmConfig) {
  return maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond };
}

/** Ready is who takes messages; a parent that does not answer is shown, but what is accepted waits in the spool. */
function readiness(
  store: LevelStore,
  { modules }: MlmCore,
  listening: boolean,
  uplink: Uplink,
  { trouble }: ProgressWatch,
): Readiness {
  const out = modules.status().filter(({ state }) => state === 'taken-out');
  const faults = out.map(({ name, lastFault }) => `${name}: ${lastFault}`).join('; ');
  const { accepting } = store;
  const { connected, parent, lastError, backlog } = uplink.status();
  const silent = `${parent}: ${lastError?.code ?? 'not reached yet'}, ${backlog} messages wait`;
  const checks = {
    store: { ok: store.state === 'open', detail: store.state },
    accepting: { ok: accepting, detail: accepting ? 'there is disk space' : 'disk space is short' },
    listener: { ok: listening },
    parent: { ok: connected, detail: connected ? `${parent} answers` : silent },
    modules: { ok: out.length === 0, detail: faults || 'all running' },
    progress: { ok: trouble === undefined, detail: trouble ?? 'everything moves' },
  };
  return { ready: checks.store.ok && accepting && listening, checks };
}
