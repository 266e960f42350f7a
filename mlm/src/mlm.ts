import { join } from 'node:path';
import { loadModules, ModuleChain } from '@backhaul/modules';
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
import { LaneQueue, LevelMailboxes, LevelStore, type Removed, SeenIntervals, SequenceCounter } from '@backhaul/spool';
import { RelayListener, Uplink } from '@backhaul/transport';
import { Aggregation } from './aggregation/aggregation.ts';
import { AggregationWindows } from './aggregation/windows.ts';
import { BackChannel } from './back-channel/back-channel.ts';
import { DownMarks } from './back-channel/down-marks.ts';
import { joinChanges } from './changes.ts';
import type { MlmConfig } from './config.ts';
import { ForwardMetrics } from './forward/forward-metrics.ts';
import { Housekeeping } from './housekeeping.ts';
import { Membership } from './membership/membership.ts';
import { artifactCounters, registerGauges } from './mlm-metrics.ts';
import { MlmState } from './mlm-state.ts';
import { renewEpochIfRestored } from './new-epoch.ts';
import { Notices } from './notices.ts';
import { OwnMessages } from './own-messages.ts';
import { tombstonesOf } from './receipts.ts';
import { MlmHandler } from './relay-handler.ts';
import { selfIdentity, uplinkTls } from './self-identity.ts';
import { Heartbeat, statusTree } from './status.ts';
import { ArtifactStore } from './transfers/artifact-store.ts';
import { Transfers } from './transfers/transfers.ts';

export interface MlmOptions {
  readonly config: MlmConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The parts of an MLM in the order in which they start: from the far end (the parent) back to the source (the children). */
export interface MlmParts {
  readonly components: readonly Component[];
  /** what runtime.json says */
  describe(): { admin: string; listeners: { relay: string } };
  readonly store: LevelStore;
}

export function mlmParts({ config, clock, random, logger }: MlmOptions): MlmParts {
  const self = selfIdentity(config);
  const { id } = self.identity;
  const { dataDirectory } = config;
  const metrics = new Metrics('mlm');
  const store = new LevelStore({
    directory: join(dataDirectory, 'store'),
    clock,
    logger,
    ballastBytes: config.spool.ballastBytes,
  });
  const spool = new LaneQueue({
    store,
    clock,
    prefix: 'spool',
    maxBytes: config.spool.maxBytes,
    maxMessages: config.spool.maxMessages,
  });
  const numbering = new SequenceCounter({ store, random, prefix: 'own' });
  const seen = new SeenIntervals({ store, prefix: 'seen' });
  const mailboxes = new LevelMailboxes({ store, clock, random, prefix: 'mailbox', ...config.mailboxes });
  const own = new OwnMessages({ self: id, numbering, spool, clock, random });
  const membership = new Membership({ self: id, store, onRevoked: (child) => listener.disconnect(child) });
  const marks = new DownMarks({ store });
  const aggregation = new Aggregation({ newId: () => own.newId() });
  const modules = new ModuleChain({ modules: loadModules(config.modules), context: { self: id, clock, logger } });
  const forwardMetrics = new ForwardMetrics(metrics);
  const bytes = artifactCounters(metrics);
  const rate = config.transfers.maxBytesPerSecond;
  const artifacts = new ArtifactStore({
    directory: join(dataDirectory, 'artifacts'),
    fetch: (sha256, size, toPath, options) =>
      uplink.fetchArtifact(sha256, size, toPath, {
        ...options,
        ...(rate === undefined ? {} : { maxBytesPerSecond: rate }),
      }),
  });
  const transfers = new Transfers({
    ...{ self: id, store, mailboxes, own, modules, artifacts, clock, random, logger },
    minFreeBytes: config.transfers.minFreeBytes,
    onLanBytes: (count) => bytes.lan.inc({}, count),
    onWanBytes: (count) => bytes.wan.inc({}, count),
  });
  const windows = new AggregationWindows({
    ...{ aggregation, modules, own, store, clock, logger },
    onMerged: (count) => forwardMetrics.merged(count),
  });
  const forward = {
    self: id,
    clock,
    store,
    seen,
    membership,
    modules,
    aggregation,
    own,
    transfers,
    metrics: forwardMetrics,
  };
  const handler = new MlmHandler({ forward, mailboxes, seen, transfers, windows, clock });
  const status = () =>
    statusTree({
      self: id,
      membership,
      mailboxes,
      spool,
      uplink: () => uplink.status(),
      heardAt: (child) => handler.heardAt(child),
      clock,
    });
  const description = { status, configuration: () => config };
  const downward = new BackChannel({
    self: id,
    store,
    mailboxes,
    membership,
    marks,
    own,
    transfers,
    description,
    clock,
    logger,
  });
  const uplink: Uplink = new Uplink({
    ...{ self: self.identity, parents: config.parents, tls: uplinkTls(self, config), store, spool, downward },
    ...outboundProxy(config),
    ...config.uplink,
    ...{ clock, random, logger, metrics },
    onRemoved: (removed: readonly Removed[]) => joinChanges(own.stageReceipts(tombstonesOf(removed, id))),
    onMarks: async (told) =>
      void (await renewEpochIfRestored({ self: id, numbering, spool, store, clock, logger }, told)),
  });
  const listener = new RelayListener({
    ...{
      self: id,
      host: config.relay.host,
      port: config.relay.port,
      tls: config.relay.plain ? 'plain' : self.material,
    },
    ...{ trustDomain: config.trustDomain, handler, clock, random, logger, metrics },
  });
  registerGauges(metrics, { store, spool, mailboxes, membership, aggregation, modules, clock });
  const connected = () => uplink.status().connected;
  const admin = new AdminListener({
    ...{ ...config.admin, metrics, version: VERSION, logger },
    ready: () => readiness({ store, listening: listener.ready, connected: connected(), modules }),
  });
  const components: Component[] = [
    store,
    new MlmState({
      dataDirectory,
      store,
      spool,
      mailboxes,
      numbering,
      seen,
      membership,
      marks,
      aggregation,
      transfers,
      clock,
      logger,
    }),
    modules,
    uplink,
    transfers,
    windows,
    new Housekeeping({ self: id, store, spool, mailboxes, marks, own, clock, logger }),
    new Notices({ self: id, own, store, spool, connected, clock, logger }),
    new Heartbeat({ tree: status, own, store, intervalMs: config.heartbeat.intervalMs, clock, logger }),
    listener,
    admin,
  ];
  return { components, store, describe: () => ({ admin: admin.url, listeners: { relay: listener.url } }) };
}

function outboundProxy({ outboundProxy: proxy }: MlmConfig) {
  if (proxy === undefined) return {};
  const { url, username, password } = proxy;
  return {
    outboundProxy: {
      url,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    },
  };
}

/** Ready is who takes messages; a parent that does not answer is shown, but what is accepted waits in the spool. */
function readiness(parts: {
  store: LevelStore;
  listening: boolean;
  connected: boolean;
  modules: ModuleChain;
}): Readiness {
  const { store, listening, connected, modules } = parts;
  const out = modules.status().filter(({ state }) => state === 'taken-out');
  const checks = {
    store: { ok: store.state === 'open', detail: store.state },
    accepting: { ok: store.accepting, detail: store.accepting ? 'there is disk space' : 'disk space is short' },
    listener: { ok: listening },
    parent: { ok: connected },
    modules: {
      ok: out.length === 0,
      detail: out.map(({ name, lastFault }) => `${name}: ${lastFault}`).join('; ') || 'all running',
    },
  };
  return { ready: checks.store.ok && checks.accepting.ok && checks.listener.ok, checks };
}
