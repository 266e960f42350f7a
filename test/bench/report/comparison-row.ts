import { ratios, spread } from '../measure/in-turns.ts';
import type { Comparison } from '../workload.ts';

/** Columns of a table of comparisons, and what stands in them. */
export const COMPARISON_COLUMNS = [
  'what',
  'peer',
  'unit',
  'ours',
  'theirs',
  'ratio: min – median – max',
  'pairs',
  'aim',
  'reached',
  'batch',
  'syncs a message',
] as const;

/** Ours over theirs, pair by pair; ours and theirs are medians. */
export function comparisonRow(comparison: Comparison): readonly string[] {
  const { what, peer, unit, pairs, batch, syncsPerMessage, aim } = comparison;
  const ratio = spread(ratios(pairs));
  return [
    ...[what, peer, unit],
    readable(spread(pairs.map(({ ours }) => ours)).median),
    readable(spread(pairs.map(({ theirs }) => theirs)).median),
    `${ratio.min.toFixed(2)} – ${ratio.median.toFixed(2)} – ${ratio.max.toFixed(2)}`,
    `${pairs.length}`,
    ...aimCells(aim, ratio.median),
    batch === undefined ? '' : `${batch.ours} : ${batch.theirs}`,
    syncsPerMessage === undefined ? '' : `${syncs(syncsPerMessage.ours)} : ${syncs(syncsPerMessage.theirs)}`,
  ];
}

/** By the median of the ratios. */
function aimCells(aim: Comparison['aim'], ratio: number): readonly [string, string] {
  if (aim === undefined) return ['none', ''];
  const { better, reach, goFor } = aim;
  const sign = better === 'more' ? '≥' : '≤';
  const meets = (bound: number) => (better === 'more' ? ratio >= bound : ratio <= bound);
  return [`${sign} ${reach}, go for ${sign} ${goFor}`, meets(goFor) ? 'yes, both' : meets(reach) ? 'yes' : 'no'];
}

/** Three digits that matter; thousands apart. */
export function readable(value: number): string {
  if (!Number.isFinite(value)) return '?';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(3)).toString();
}

function syncs(value: number | undefined): string {
  return value === undefined ? '?' : readable(value);
}
