import { missingForImageDisk } from '../world/image-disk.ts';
import { pause } from '../world/settle.ts';
import { TIERS, type World } from '../world/world.ts';
import type { Dice } from './dice.ts';
import { tierSuite } from './tier-suite.ts';

/** Bytes left: nothing at all, less than a commit, less than a compaction, about the reserve. */
const LEFT = [0, 0, 4_096, 65_536, 700_000, 3_000_000, 5_000_000] as const;

/** F4: the disk of a tier is full, whatever it is doing; sometimes it is killed then, and starts on the full disk. */
export const fullDisks = tierSuite({
  name: 'full-disks',
  title: 'disk full, each tier',
  counts: { gate: 16, nightly: 208 },
  missing: missingForImageDisk,
  inject: fillOne,
  heal: async (world) => {
    for (const disk of world.disks.values()) await disk.free();
  },
});

async function fillOne(world: World, dice: Dice): Promise<number> {
  const tier = dice.one(TIERS);
  const disk = world.disks.get(tier)!;
  await disk.fill(dice.one(LEFT));
  await pause(dice.between(300, 2_000));
  const role = world.role(tier);
  if (dice.chance(0.25)) {
    await role.kill();
    // it may give up as long as there is no room; it must not once there is
    await role.start().catch(() => undefined);
  }
  await disk.free();
  return 1;
}
