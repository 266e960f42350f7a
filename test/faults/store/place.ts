import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Stores of trials lie in memory where that is possible: thousands are made, and their syncs need no disk. */
export async function inScratch<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'backhaul-store-'));
  try {
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Does it with each, so many at a time, in order. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  action: (item: T, lane: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (lane: number): Promise<void> => {
    while (next < items.length) await action(items[next++]!, lane);
  };
  const ends = await Promise.allSettled(Array.from({ length: width }, (_, lane) => worker(lane)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** About `count` of the shard's part of all, evenly spread; each seed begins elsewhere. */
export function chosen<T>(
  all: readonly T[],
  { count, seed, shard }: { count: number; seed: number; shard: { index: number; of: number } },
): T[] {
  const mine = all.filter((_, index) => index % shard.of === shard.index % shard.of);
  if (count >= mine.length) return mine;
  const step = mine.length / count;
  const from = (seed % 97) / 97;
  return Array.from({ length: count }, (_, n) => mine[Math.floor((n + from) * step)]!);
}
