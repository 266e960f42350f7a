import { join } from 'node:path';
import type { StatusNode } from '@backhaul/envelope';
import { parseComponentId } from '@backhaul/identity';
import { loadModules, ModuleChain } from '@backhaul/modules';
import { type Clock, type Logger, type Metrics, type Random, SparingLog } from '@backhaul/runtime';
import { LaneQueue, LevelMailboxes, type Removed, SeenIntervals, SequenceCounter, type Store } from '@backhaul/spool';
import { EpochWatch, Outbox, type UplinkOptions } from '@backhaul/transport';
import { Aggregation } from './aggregation/aggregation.ts';
import { AggregationWindows } from './aggregation/windows.ts';
import { BackChannel } from './back-channel/back-channel.ts';
import { DownMarks } from './back-channel/down-marks.ts';
import { LateRejections } from './back-channel/late-rejections.ts';
import { childShare, customerShare, type MlmConfig } from './config.ts';
import { CloneNotices } from './forward/clone-notices.ts';
import type { Relay } from './forward/custody.ts';
import { ForwardMetrics } from './forward/forward-metrics.ts';
import { PoisonCounts } from './forward/poison.ts';
import { RelayShares } from './forward/relay-shares.ts';
import { Housekeeping } from './housekeeping.ts';
import { Membership } from './membership/membership.ts';
import { artifactCounters, registerGauges } from './mlm-metrics.ts';
import { MlmState } from './mlm-state.ts';
import { MlmHandler } from './relay-handler.ts';
import { type ParentHealth, statusTree } from './status.ts';
import { ArtifactStore, type Fetch } from './transfers/artifact-store.ts';
import { Transfers } from './transfers/transfers.ts';

/** What the core needs of the world: a disk, time and dice; a way to fetch, and the state of the line, from the network. */
export interface MlmSurroundings {
  /** component ID of this MLM */
  readonly self: string;
  readonly config: MlmConfig;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly fetch: Fetch;
  /** sends to the parent at once, outside the spool */
  readonly relay: Relay;
  readonly parent: () => ParentHealth;
  /** a child was revoked: its connections are cut */
  readonly onRevoked: (child: string) => void;
}

export type MlmCore = ReturnType<typeof mlmCore>;

/** Everything of an MLM but the network: the store's cores, the forward path, the back-channel, transfers, timers. */
export function mlmCore(around: MlmSurroundings) {
  const { self, config, store, clock, random, logger, metrics } = around;
  const { maxBytes, maxMessages } = config.spool;
  const perChild = childShare(config.spool, () => membership.tree.activeChildren.length);
  const customers = customerShare(config.spool, () => membership.tree.activeCustomers);
  const customerOf = (child: string) => parseComponentId(child)?.customer ?? child;
  const perCustomer = Object.assign(customers, { customerOf });
  const spool = new LaneQueue({
    ...{ store, clock, logger, prefix: 'spool' },
    ...{ maxBytes, maxMessages, perChild, perCustomer },
  });
  const numbering = new SequenceCounter({ store, random, prefix: 'own' });
  const seen = new SeenIntervals({ store, clock, prefix: 'seen' });
  const mailboxes = new LevelMailboxes({ store, clock, random, prefix: 'mailbox', ...config.mailboxes });
  const saidDown = new SequenceCounter({ store, random, prefix: 'said-down' });
  const onRemoved = (removed: readonly Removed[]) => rejections.stage(removed);
  const own = new Outbox({ self, numbering, spool, clock, random, onRemoved });
  const epochs = new EpochWatch();
  const onRevoked = (child: string): void => {
    epochs.forget(child);
    around.onRevoked(child);
  };
  const membership = new Membership({ self, store, onRevoked });
  const marks = new DownMarks({ store });
  const untold = metrics.counter(
    'rejections_untold_total',
    'lost messages that their source was not told of, for want of room',
  );
  const rejections = new LateRejections({
    self,
    store,
    mailboxes,
    membership,
    numbering: saidDown,
    clock,
    random,
    untold,
  });
  const aggregation = new Aggregation({ newId: () => own.newId() });
  const modules = new ModuleChain({ modules: loadModules(config.modules), context: { self, clock, logger } });
  const counts = new ForwardMetrics(metrics);
  const bytes = artifactCounters(metrics);
  const transfers = new Transfers({
    ...{ self, store, mailboxes, own, modules, clock, random, logger },
    artifacts: new ArtifactStore({ directory: join(config.dataDirectory, 'artifacts'), fetch: around.fetch }),
    minFreeBytes: config.transfers.minFreeBytes,
    onLanBytes: (count) => bytes.lan.inc({}, count),
    onWanBytes: (count) => bytes.wan.inc({}, count),
  });
  const onMerged = (count: number): void => counts.merged(count);
  const windows = new AggregationWindows({ aggregation, modules, own, store, clock, logger, onMerged });
  const relayShares = new RelayShares(() => membership.tree.activeCustomers);
  const forward = {
    ...{ self, clock, store, spool, seen, epochs, membership, modules, aggregation, own, transfers, logger },
    ...{ rejections, custody: config.custody, relay: around.relay, relayShares },
    ...{ poison: new PoisonCounts(), cloneNotices: new CloneNotices(), metrics: counts },
    troubles: new SparingLog(logger, clock),
  };
  const handler = new MlmHandler({ forward, mailboxes, seen, transfers, windows, clock });
  const heardAt = (child: string) => handler.heardAt(child);
  const status = (): StatusNode =>
    statusTree({ self, membership, mailboxes, spool, parent: around.parent, modules, epochs, heardAt, clock });
  const description = { status, configuration: () => config };
  const parts = { self, store, spool, mailboxes, membership, marks, own, transfers, clock, logger };
  const downward = new BackChannel({ ...parts, description });
  const housekeeping = new Housekeeping(parts);
  const state = new MlmState({ ...parts, dataDirectory: config.dataDirectory, numbering, saidDown, seen, aggregation });
  /** What the uplink tells besides what it tells the spool: the mailboxes have a time of their own. */
  const upward: Required<Pick<UplinkOptions, 'onParentTime'>> = {
    onParentTime: (now) => mailboxes.noteParentTime(now),
  };
  registerGauges(metrics, { epochs, store, spool, mailboxes, membership, aggregation, modules, clock });
  return {
    ...{ spool, numbering, seen, mailboxes, own, membership, marks, aggregation, modules },
    ...{ transfers, windows, handler, downward, upward, housekeeping, state, status },
  };
}
