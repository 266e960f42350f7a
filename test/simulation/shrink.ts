import { runSeed, type SeedResult } from './run-seed.ts';

const HOUR = 3_600_000;
/** Runs that a shrinking may take. */
const TRIES = 60;

export interface Shortened {
  readonly result: SeedResult;
  readonly hours: number;
  readonly without: ReadonlySet<number>;
  readonly tries: number;
}

/** The same breach with less: fewer hours, fewer kinds of faults, fewer faults of the plan, by halves, while it still fails. */
export async function shrink(
  failed: SeedResult,
  given: { readonly hours: number; readonly without: ReadonlySet<number> },
): Promise<Shortened> {
  let best: Shortened = { result: failed, ...given, tries: 0 };
  let tries = 0;
  const attempt = async (change: Partial<Shortened> & { kinds?: SeedResult['kinds'] }): Promise<boolean> => {
    if (tries >= TRIES) return false;
    tries++;
    const { hours, without } = { ...best, ...change };
    const kinds = change.kinds ?? best.result.kinds;
    const result = await runSeed({ seed: failed.seed, hours, kinds, without });
    if (result.failure?.invariant !== failed.failure?.invariant) return false;
    best = { result, hours, without, tries };
    return true;
  };

  const neededHours = Math.ceil((failed.endedAt / HOUR) * 100) / 100;
  if (neededHours < best.hours) await attempt({ hours: neededHours });
  while (best.hours > 0.05 && (await attempt({ hours: best.hours / 2 })));
  await dropByHalves(best.result.kinds, (kinds) => attempt({ kinds }));
  const places = Array.from({ length: best.result.planned + best.without.size }, (_, place) => place);
  const left = places.filter((place) => !best.without.has(place));
  await dropByHalves(left, (kept) => attempt({ without: new Set(places.filter((place) => !kept.includes(place))) }));
  return { ...best, tries };
}

/** Leaves out halves, then quarters, and so on down to single ones; `stillFails` with what is kept. */
async function dropByHalves<T>(all: readonly T[], stillFails: (kept: readonly T[]) => Promise<boolean>): Promise<void> {
  let kept = all;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < kept.length; ) {
      const without = kept.filter((_, index) => index < from || index >= from + size);
      if (await stillFails(without)) kept = without;
      else from += size;
    }
  }
}
