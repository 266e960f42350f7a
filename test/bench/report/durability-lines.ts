import type { Comparison } from '../workload.ts';

/** What an acknowledgement of each system is worth, each system once. */
export function durabilityLines(comparisons: readonly Comparison[]): string[] {
  const words = new Map<string, string>();
  for (const { peer, durability } of comparisons) {
    words.set('Backhaul', durability.ours);
    words.set(peer, durability.theirs);
  }
  return [...words].map(([system, durability]) => `${system}: ${durability}`);
}
