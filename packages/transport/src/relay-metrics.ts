import type { Metrics } from '@backhaul/runtime';

/** What a relay listener counts. */
export type RelayMetrics = ReturnType<typeof relayMetrics>;

export function relayMetrics(
  metrics: Metrics,
  read: { requests: () => number; heldPolls: () => number; clones: () => number },
) {
  metrics.gauge('relay_requests', 'Requests being handled', read.requests);
  metrics.gauge('relay_held_polls', 'Polls held until there is something to say', read.heldPolls);
  metrics.gauge('relay_clones', 'Identities refused because two live components speak with them', read.clones);
  return {
    envelopes: metrics.counter('relay_envelopes_total', 'Envelopes received'),
    messages: metrics.counter('relay_messages_total', 'Messages received, by verdict', ['verdict']),
    delivered: metrics.counter('relay_delivered_total', 'Back-channel messages handed out (repeats included)'),
    bytes: metrics.counter('relay_bytes_total', 'Bytes of envelope bodies on the line', ['direction']),
    takenOver: metrics.counter(
      'relay_taken_over_total',
      'Requests of a process that another one of its identity has taken over from, by code',
      ['code'],
    ),
    secondPolls: metrics.counter(
      'relay_second_polls_total',
      'Held polls that were ended by another poll of the same identity',
    ),
    refusals: metrics.counter('relay_refusals_total', 'Requests refused as a whole, by code', ['code']),
    artifactBytes: metrics.counter('relay_artifact_bytes_total', 'Bytes of artifacts handed out'),
  };
}
