import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildShim, shimEnvironment, shimMissing } from '../shim/shim.ts';
import { TIERS, type World } from '../world/world.ts';
import type { Dice } from './dice.ts';
import { tierSuite } from './tier-suite.ts';

const [SECOND_MS, HOUR_MS, YEAR_MS] = [1_000, 3_600_000, 31_536_000_000];
/** Most jumps are those of a bad clock; some are those of an empty battery. */
const REACHES = [10 * SECOND_MS, 10 * SECOND_MS, HOUR_MS, HOUR_MS, 20 * HOUR_MS, YEAR_MS] as const;
const BACK = 0.4;

/** F11: the wall clock of one process jumps; its monotonic clock does not. */
export const clocks = tierSuite({
  name: 'clocks',
  title: 'clock of one tier jumps, seconds to a year',
  counts: { gate: 16, nightly: 320 },
  missing: shimMissing,
  prepareFolder: async (folder) => {
    await mkdir(join(folder, 'clocks'));
    await buildShim(folder);
    for (const tier of TIERS) setClock(folder, tier, 0);
  },
  startWith: (name, folder) =>
    TIERS.some((tier) => tier === name)
      ? { environment: shimEnvironment(join(folder, 'fi.so'), { clock: clockFile(folder, name) }) }
      : {},
  inject: jump,
  heal: async ({ folder }) => {
    for (const tier of TIERS) setClock(folder, tier, 0);
  },
});

async function jump({ folder }: World, dice: Dice): Promise<number> {
  const tier = dice.one(TIERS);
  const reach = dice.one(REACHES);
  setClock(folder, tier, dice.chance(BACK) ? 0 : dice.between(-reach, reach));
  return 1;
}

function clockFile(folder: string, name: string): string {
  return join(folder, 'clocks', name);
}

/** In place: the process has the file mapped. */
function setClock(folder: string, name: string, aheadMs: number): void {
  const nanoseconds = Buffer.alloc(8);
  nanoseconds.writeBigInt64LE(BigInt(aheadMs) * 1_000_000n);
  const file = openSync(clockFile(folder, name), 'a+');
  closeSync(file);
  const whole = openSync(clockFile(folder, name), 'r+');
  writeSync(whole, nanoseconds, 0, nanoseconds.length, 0);
  closeSync(whole);
}
