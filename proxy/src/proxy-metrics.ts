import type { Metrics } from '@backhaul/runtime';
import type { Spool, Store } from '@backhaul/spool';
import type { Directory } from './directory/directory.ts';
import type { CommandBoard } from './downward/command-board.ts';
import type { NoticeBoard } from './notices/notice-board.ts';

export type ProxyMetrics = ReturnType<typeof proxyMetrics>;

interface Measured {
  readonly spool: Spool;
  readonly store: Store;
  readonly directory: Directory;
  readonly board: CommandBoard;
  readonly notices: NoticeBoard;
  readonly now: () => number;
}

/** What a proxy counts, beside what its uplink counts. Labels are of small, fixed sets. */
export function proxyMetrics(metrics: Metrics, { spool, store, directory, board, notices, now }: Measured) {
  metrics.gauge('spool_messages', 'messages waiting for the parent', () => spool.depth().messages);
  metrics.gauge('spool_bytes', 'bytes waiting for the parent', () => spool.depth().bytes);
  metrics.gauge(
    'spool_oldest_seconds',
    'age of the oldest message waiting',
    () => (now() - (spool.depth().oldestAt ?? now())) / 1000,
  );
  metrics.gauge('spool_dead_letters', 'messages the parent refused for good', () => spool.depth().deadLetters);
  metrics.gauge(
    'spool_dead_letters_discarded',
    'dead letters that made room for newer ones since the start',
    () => spool.depth().deadLettersDiscarded,
  );
  metrics.gauge('store_syncs', 'synced writes since the start', () => store.stats().syncs);
  metrics.gauge('store_recoveries', 'times the store was reopened after an error', () => store.stats().recoveries);
  metrics.gauge('integrators', 'integrators registered', () => directory.integrators().length);
  metrics.gauge('support_instances', 'support instances registered', () => directory.instances().length);
  metrics.gauge('commands_pending', 'commands waiting for an integrator', () => board.size);
  metrics.gauge('integrator_notices', 'late rejections kept for integrators', () => notices.size);
  return {
    accepted: metrics.counter('accepted_total', 'messages accepted from integrators', ['kind']),
    refused: metrics.counter('refused_total', 'messages of integrators refused', ['code']),
    received: metrics.counter('downward_total', 'messages taken from the parent', ['class']),
    expired: metrics.counter('expired_total', 'messages that expired in the spool'),
    installs: metrics.counter('install_steps_total', 'steps of installs', ['state']),
  };
}
