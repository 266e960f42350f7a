import { type Content, jsonOf } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';

/** Past this number of metrics in one message the rest is refused: an aggregate has a size, too. */
const MAX_METRICS = 1024;
const MAX_DEPTH = 8;

export interface MetricSummary {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
}

/** Every finite number of a JSON object by its dotted path; lists, texts and truth values are left out. Throws BH-E-SCHEMA, BH-E-JSON, BH-E-NAME. */
export function readNumbers(content: Content): Map<string, number> {
  if (content.type !== 'data') throw new BackhaulError('BH-E-SCHEMA', { detail: 'only JSON data can be merged' });
  const numbers = new Map<string, number>();
  collect(jsonOf(content), '', 0, numbers);
  return numbers;
}

/** Minimum, mean and maximum of each metric over the messages that have it. */
export function summarise(samples: readonly ReadonlyMap<string, number>[]): Record<string, MetricSummary> {
  const totals = new Map<string, { min: number; max: number; sum: number; count: number }>();
  for (const sample of samples) {
    for (const [name, value] of sample) {
      const total = totals.get(name);
      if (total === undefined) totals.set(name, { min: value, max: value, sum: value, count: 1 });
      else {
        total.min = Math.min(total.min, value);
        total.max = Math.max(total.max, value);
        total.sum += value;
        total.count += 1;
      }
    }
  }
  const entries = [...totals].map(([name, t]) => [name, { min: t.min, mean: t.sum / t.count, max: t.max }] as const);
  return Object.fromEntries(entries);
}

function collect(value: unknown, path: string, depth: number, numbers: Map<string, number>): void {
  if (typeof value === 'number') {
    if (numbers.size >= MAX_METRICS) throw new BackhaulError('BH-E-SCHEMA', { detail: 'too many metrics to merge' });
    if (Number.isFinite(value)) numbers.set(path === '' ? 'value' : path, value);
    return;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth >= MAX_DEPTH) return;
  for (const [name, inner] of Object.entries(value)) {
    collect(inner, path === '' ? name : `${path}.${name}`, depth + 1, numbers);
  }
}
