import type { Metrics } from '@backhaul/runtime';

/** What an uplink counts. */
export type UplinkMetrics = ReturnType<typeof uplinkMetrics>;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function uplinkMetrics(metrics: Metrics, read: { connected: () => boolean; inFlight: () => number }) {
  metrics.gauge('uplink_connected', '1 while the parent answers', () => (read.connected() ? 1 : 0));
  metrics.gauge('uplink_in_flight', 'Envelopes sent and not yet answered', read.inFlight);
  return {
    envelopes: metrics.counter('uplink_envelopes_total', 'Envelopes sent, by outcome', ['outcome']),
    messages: metrics.counter('uplink_messages_total', 'Messages sent, by what the parent said', ['outcome']),
    received: metrics.counter('uplink_received_total', 'Back-channel messages received (repeats included)'),
    bytes: metrics.counter('uplink_bytes_total', 'Bytes of envelope bodies on the line', ['direction']),
    failures: metrics.counter('uplink_failures_total', 'Exchanges that failed as a whole, by code', ['code']),
    moves: metrics.counter('uplink_parent_moves_total', 'Times another parent was taken into use'),
    stalls: metrics.counter('uplink_stalls_total', 'Times a sender that made no progress was begun anew'),
    forgotten: metrics.counter(
      'uplink_forgotten_total',
      'Times everything was loaded again because messages were forgotten in memory',
    ),
    seconds: metrics.histogram('uplink_exchange_seconds', 'From sending an envelope to its answer', SECONDS),
    artifactBytes: metrics.counter('uplink_artifact_bytes_total', 'Bytes of artifacts fetched'),
  };
}
