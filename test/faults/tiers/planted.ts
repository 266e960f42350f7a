import { join } from 'node:path';
import { buildShim, shimEnvironment, shimMissing } from '../shim/shim.ts';
import { missingForImageDisk } from '../world/image-disk.ts';
import { pause } from '../world/settle.ts';
import { cutSome } from './power-cuts.ts';
import { tierSuite } from './tier-suite.ts';

const SETTLING_MS = 2_000;
/** What is lost never comes: no use in waiting long. */
const DRAIN_LIMIT_MS = 20_000;

/**
 * Proof that power cuts bite: the MLM's syncs are answered and not done. What it has accepted is then gone with the power, and
 * the oracle has to find it.
 */
export const plantedNoSync = tierSuite({
  name: 'planted-no-sync',
  title: 'planted: power cuts of an MLM whose syncs are left out',
  counts: { gate: 8, nightly: 8 },
  missing: async () => shimMissing() ?? (await missingForImageDisk()),
  prepareFolder: async (folder) => void (await buildShim(folder)),
  startWith: (name, folder) =>
    name === 'mlm'
      ? {
          environment: shimEnvironment(join(folder, 'fi.so'), {
            prefix: join(folder, 'mlm'),
            ops: ['sync'],
            at: 1,
            act: 'nosync',
            sticky: true,
          }),
        }
      : {},
  // what it knows of its children is safe, as it would be after a minute of life: only messages are at stake
  prepare: async (world) => {
    await pause(SETTLING_MS);
    await world.disks.get('mlm')!.sync();
  },
  inject: (world, dice) => cutSome(world, dice, ['mlm']),
  drainLimitMs: DRAIN_LIMIT_MS,
  isPlanted: true,
});
