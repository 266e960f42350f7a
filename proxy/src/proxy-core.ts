import { join } from 'node:path';
import { type Clock, type Logger, type Metrics, type Random, VERSION } from '@backhaul/runtime';
import { LaneQueue, renewAfterRestore, SequenceCounter, type Store } from '@backhaul/spool';
import {
  Heartbeat,
  KnownNumbers,
  NoticeQueue,
  Ongoing,
  Outbox,
  ProgressWatch,
  renewEpochIfRestored,
  StoreReport,
  type UplinkOptions,
  type UplinkStatus,
} from '@backhaul/transport';
import type { AcceptContext } from './accept/accept-path.ts';
import { Gathering } from './accept/gathering.ts';
import type { ProxyConfig } from './config.ts';
import { Directory } from './directory/directory.ts';
import { Liveness } from './directory/liveness.ts';
import { Registrar } from './directory/registrar.ts';
import { CommandBoard } from './downward/command-board.ts';
import { CommandHandler } from './downward/command-handler.ts';
import { Downward } from './downward/downward.ts';
import { SeenMessages } from './downward/seen-messages.ts';
import { statusTree } from './heartbeat/status-tree.ts';
import { InstallRunner, type InstallRunnerOptions } from './install/install-runner.ts';
import type { InstallerClient } from './install/installer-client.ts';
import { OfferHandler } from './install/offer-handler.ts';
import { LateRejections } from './notices/late-rejections.ts';
import { NoticeBoard } from './notices/notice-board.ts';
import { Expiry } from './outbox/expiry.ts';
import { proxyMetrics } from './proxy-metrics.ts';
import { ProxyState } from './proxy-state.ts';
import { proxyStatus } from './proxy-status.ts';

/** What the core needs of the world: a disk, time and dice; a way to fetch, and the state of the line, from the network. */
export interface ProxySurroundings {
  /** component ID of this proxy */
  readonly self: string;
  readonly config: ProxyConfig;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly fetchArtifact: InstallRunnerOptions['fetchArtifact'];
  readonly uplink: () => UplinkStatus;
  /** absent where nothing may be installed: every offer is refused */
  readonly installer?: InstallerClient | undefined;
}

export type ProxyCore = ReturnType<typeof proxyCore>;

/**
 * Everything of a proxy but the network and the processes beside it: what integrators send goes in through `accept`, what the
 * parent sends through `downward`. `state` starts after the store, `timers` after what carries the line.
 */
export function proxyCore(around: ProxySurroundings) {
  const { self, config, store, clock, random, logger, uplink } = around;
  const startedAt = clock.now();
  const { maxBytes, maxMessages } = config.spool;
  const numbering = new SequenceCounter({ store, random, prefix: 'numbers' });
  const restored = { load: () => renewAfterRestore(config.dataDirectory, { store, numbering, logger }) };
  const share = config.spool.integratorShare;
  const part = { maxBytes: Math.ceil(maxBytes * share), maxMessages: Math.ceil(maxMessages * share) };
  const perChild = share < 1 ? part : undefined;
  const spool = new LaneQueue({ store, clock, logger, prefix: 'spool', maxBytes, maxMessages, perChild });
  const { maxIntegrators, maxInstances } = config.api;
  const directory = new Directory({ self, store, clock, maxIntegrators, maxInstances });
  const notices = new NoticeBoard({ store, clock });
  const rejections = new LateRejections({ self, directory, notices, clock });
  const outbox = new Outbox({
    ...{ self, numbering, spool, clock, random },
    onRemoved: (removed) => rejections.ofSpool(removed),
  });
  const liveness = new Liveness(clock);
  const board = new CommandBoard({ store, clock });
  const seen = new SeenMessages(store);
  const metrics = proxyMetrics(around.metrics, { spool, store, directory, board, notices, now: () => clock.now() });
  const runner = new InstallRunner({
    ...{ self, store, outbox, clock, logger, metrics },
    installer: around.installer,
    artifactsDirectory: join(config.dataDirectory, 'artifacts'),
    fetchArtifact: around.fetchArtifact,
  });
  const { integratorOverdueMs, intervalMs } = config.heartbeat;
  const depth = () => spool.depth();
  const sources = { self, startedAt, directory, liveness, integratorOverdueMs, depth, uplink };
  const tree = () => statusTree(sources, clock.now());
  const status = () =>
    proxyStatus({ self, startedAt, numbering, spool, store, directory, board, runner, clock, uplink, tree });
  const commands = new CommandHandler({ self, directory, board, status, configuration: () => config });
  const offers = new OfferHandler({ self, runner, clock });
  const accepting = new Ongoing(clock);
  const gathering = new Gathering({ outbox, store });
  const accept: AcceptContext = { directory, outbox, store, gathering, clock, accepting };
  const downward = new Downward({
    ...{ self, store, outbox, seen, spool, rejections, commands, offers, clock, logger, metrics },
  });
  const heartbeat = new Heartbeat({
    ...{ self, title: `proxy ${VERSION}`, tree, outbox, numbering, spool, store, intervalMs, clock, logger },
    connected: () => uplink().connected,
    holdings: (limit) => spool.holdings(limit),
  });
  const notify: Heartbeat['notify'] = (id, notice) => heartbeat.notify(id, notice);
  const report = new StoreReport({ store, clock, notify });
  const queue = new NoticeQueue({ notify, clock });
  const watch = new ProgressWatch({
    oldestAccept: () => accepting.oldest,
    senderStalledAt: () => uplink().stalledAt,
    receiveStalledAt: () => uplink().receiveStalledAt,
    notify: (id, notice) => queue.say(id, notice),
    ...{ clock, logger, metrics: around.metrics },
  });
  const known = new KnownNumbers({ self, numbering });
  const renewing = { self, numbering, known, spool, outbox, store, clock, logger };
  /** what an uplink works with, whatever network it sends over */
  const upward: Pick<UplinkOptions, 'store' | 'spool' | 'downward' | 'known' | 'onRemoved' | 'onMarks'> = {
    ...{ store, spool, downward, known },
    onRemoved: (removed) => outbox.receipts(removed),
    onMarks: async (marks, how) => void (await renewEpochIfRestored(renewing, marks, how)),
  };
  return {
    ...{
      spool,
      numbering,
      outbox,
      directory,
      liveness,
      board,
      notices,
      seen,
      metrics,
      runner,
      status,
      accept,
      upward,
      heartbeat,
      watch,
    },
    registrar: new Registrar({ directory, outbox, store }),
    state: new ProxyState(store, [numbering, restored, spool, directory, board, notices, seen, runner], logger),
    timers: [new Expiry({ spool, outbox, board, store, clock, logger, metrics }), heartbeat, queue, report, watch],
  };
}
