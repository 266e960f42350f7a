import type { ModuleChain } from '@backhaul/modules';
import type { Clock, Logger, SparingLog } from '@backhaul/runtime';
import type { Seen, Spool, Store } from '@backhaul/spool';
import type { EpochWatch, Outbox } from '@backhaul/transport';
import type { Aggregation } from '../aggregation/aggregation.ts';
import type { LateRejections } from '../back-channel/late-rejections.ts';
import type { Membership } from '../membership/membership.ts';
import type { Transfers } from '../transfers/transfers.ts';
import type { CloneNotices } from './clone-notices.ts';
import type { Relay } from './custody.ts';
import type { CustodyConfig } from './custody-config.ts';
import type { ForwardMetrics } from './forward-metrics.ts';
import type { PoisonCounts } from './poison.ts';
import type { RelayShares } from './relay-shares.ts';

/** What the stages of the forward path work with; made once. */
export interface ForwardContext {
  /** id of this MLM */
  readonly self: string;
  readonly clock: Clock;
  readonly store: Store;
  readonly spool: Spool;
  readonly seen: Seen;
  readonly epochs: EpochWatch;
  readonly cloneNotices: CloneNotices;
  readonly membership: Membership;
  readonly modules: ModuleChain;
  readonly aggregation: Aggregation;
  readonly own: Outbox;
  readonly transfers: Pick<Transfers, 'noteUpward'>;
  readonly rejections: Pick<LateRejections, 'stage'>;
  readonly custody: CustodyConfig;
  readonly relay: Relay;
  readonly relayShares: RelayShares;
  readonly poison: PoisonCounts;
  readonly metrics: ForwardMetrics;
  readonly logger: Logger;
  /** for what may come with every envelope */
  readonly troubles: SparingLog;
}
