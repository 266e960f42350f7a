import type { Metrics } from '@backhaul/runtime';
import type { Batch } from './batch.ts';

/** What the forward path did, by outcome and, for refusals, by code. */
export class ForwardMetrics {
  readonly #received;
  readonly #outcomes;
  readonly #refused;
  readonly #merged;

  constructor(metrics: Metrics) {
    this.#received = metrics.counter('messages_received_total', 'messages that arrived from below');
    this.#outcomes = metrics.counter('messages_outcome_total', 'what became of them on arrival', ['outcome']);
    this.#refused = metrics.counter('messages_refused_total', 'messages refused before they were accepted', ['code']);
    this.#merged = metrics.counter('messages_merged_total', 'messages that went into an aggregate');
  }

  count(batch: Batch): void {
    this.#received.inc({}, batch.items.length);
    const outcomes = new Map<string, number>();
    for (const { fate, refusal } of batch.items) {
      if (fate === 'refused') this.#refused.inc({ code: refusal?.code ?? 'unknown' });
      const outcome = fate === 'open' ? 'forwarded' : fate; // `relayed`: accepted by the parent
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    for (const [outcome, count] of outcomes) this.#outcomes.inc({ outcome }, count);
    for (const { parts } of batch.holding.closed) this.merged(parts.length);
  }

  merged(count: number): void {
    this.#merged.inc({}, count);
  }
}
