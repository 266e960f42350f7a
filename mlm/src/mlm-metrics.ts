import type { ModuleChain } from '@backhaul/modules';
import type { Clock, CounterHandle, Metrics } from '@backhaul/runtime';
import type { Mailboxes, Spool, Store } from '@backhaul/spool';
import type { EpochWatch } from '@backhaul/transport';
import type { Aggregation } from './aggregation/aggregation.ts';
import type { Membership } from './membership/membership.ts';

export interface MlmGauges {
  readonly epochs: Pick<EpochWatch, 'clones'>;
  readonly store: Store;
  readonly spool: Spool;
  readonly mailboxes: Mailboxes;
  readonly membership: Membership;
  readonly aggregation: Aggregation;
  readonly modules: ModuleChain;
  readonly clock: Clock;
}

export interface ArtifactCounters {
  readonly wan: CounterHandle;
  readonly lan: CounterHandle;
}

/** The figures that are read when somebody asks for them. */
export function registerGauges(metrics: Metrics, parts: MlmGauges): void {
  const { epochs, store, spool, mailboxes, membership, aggregation, modules, clock } = parts;
  metrics.gauge('spool_messages', 'messages waiting for the parent', () => spool.depth().messages);
  metrics.gauge('spool_bytes', 'bytes waiting for the parent', () => spool.depth().bytes);
  metrics.gauge('spool_dead_letters', 'messages the parent refused for good', () => spool.depth().deadLetters);
  metrics.gauge(
    'spool_dead_letters_discarded',
    'dead letters that made room for newer ones since the start',
    () => spool.depth().deadLettersDiscarded,
  );
  metrics.gauge('spool_oldest_seconds', 'age of the oldest message in the spool', () => {
    const { oldestAt } = spool.depth();
    return oldestAt === undefined ? 0 : Math.max(0, clock.now() - oldestAt) / 1000;
  });
  metrics.gauge('held_messages', 'messages held for aggregation', () => aggregation.messages);
  metrics.gauge('held_aggregates', 'aggregates that are being collected', () => aggregation.groups);
  metrics.gauge('store_syncs', 'synced writes of the store since it was opened', () => store.stats().syncs);
  metrics.gauge('cloned_children', 'children of whom two live components speak', () => epochs.clones().length);
  const children = () => membership.tree.activeChildren;
  metrics.labelledGauge('mailbox_messages', 'messages waiting for a child', ['child'], () =>
    children().map(({ id }) => ({ labels: { child: id }, value: mailboxes.depth(id).messages })),
  );
  metrics.labelledGauge('mailbox_bytes', 'bytes waiting for a child', ['child'], () =>
    children().map(({ id }) => ({ labels: { child: id }, value: mailboxes.depth(id).bytes })),
  );
  metrics.labelledGauge('module_messages', 'what a module said of messages', ['module', 'outcome'], () =>
    modules.status().flatMap(({ name, passed, dropped, held, refused, faults }) =>
      Object.entries({ passed, dropped, held, refused, faults }).map(([outcome, value]) => ({
        labels: { module: name, outcome },
        value,
      })),
    ),
  );
  metrics.labelledGauge('module_running', '1 while a module is asked, 0 after it was taken out', ['module'], () =>
    modules.status().map(({ name, state }) => ({ labels: { module: name }, value: state === 'running' ? 1 : 0 })),
  );
}

export function artifactCounters(metrics: Metrics): ArtifactCounters {
  return {
    wan: metrics.counter('artifact_wan_bytes_total', 'bytes of artifacts fetched from the parent'),
    lan: metrics.counter('artifact_lan_bytes_total', 'bytes of artifacts handed to children'),
  };
}
