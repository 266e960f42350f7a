import { join } from 'node:path';
import { buildShim, shimEnvironment, shimMissing } from '../shim/shim.ts';
import { missingForImageDisk } from '../world/image-disk.ts';
import { cutSome } from './power-cuts.ts';
import { tierSuite } from './tier-suite.ts';

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
  inject: (world, dice) => cutSome(world, dice, ['mlm']),
});
