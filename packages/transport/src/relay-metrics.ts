import type { Metrics } from '@backhaul/runtime';

/** What a relay listener counts. */
export type RelayMetrics = ReturnType<typeof relayMetrics>;

export function relayMetrics(metrics: Metrics, read: { requests: () => number; heldPolls: () => number }) {
  metrics.gauge('relay_requests', 'Requests being handled', read.requests);
  metrics.gauge('relay_held_polls', 'Polls held until there is something to say', read.heldPolls);
  return {
    envelopes: metrics.counter('relay_envelopes_total', 'Envelopes received'),
    messages: metrics.counter('relay_messages_total', 'Messages received, by verdict', ['verdict']),
    delivered: metrics.counter('relay_delivered_total', 'Back-channel messages handed out (repeats included)'),
    bytes: metrics.counter('relay_bytes_total', 'Bytes of envelope bodies on the line', ['direction']),
    refusals: metrics.counter('relay_refusals_total', 'Requests refused as a whole, by code', ['code']),
    artifactBytes: metrics.counter('relay_artifact_bytes_total', 'Bytes of artifacts handed out'),
  };
}
