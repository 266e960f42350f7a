import { missingForImageDisk } from '../world/image-disk.ts';
import { TIERS, type Tier, type World } from '../world/world.ts';
import type { Dice } from './dice.ts';
import { tierSuite } from './tier-suite.ts';

/** F7a: what a tier has written and not synced is gone. */
export const powerCuts = tierSuite({
  name: 'power-cuts',
  title: 'power cut of the disk of one tier or of several',
  counts: { gate: 12, nightly: 120 },
  missing: missingForImageDisk,
  inject: cutSome,
});

export async function cutSome(world: World, dice: Dice, tiers: readonly Tier[] = TIERS): Promise<number> {
  const victims = dice.some(tiers, dice.one([1, 1, 1, 2]));
  // a machine without power says nothing more. Left running, a process could: the kernel lets a sync that is under way during
  // the shutdown return without an error, and what it covers is gone all the same
  for (const tier of victims) world.role(tier).signal('SIGSTOP');
  for (const tier of victims) await world.disks.get(tier)!.cutPower();
  for (const tier of victims) {
    await world.role(tier).kill();
    await world.disks.get(tier)!.unmount();
    await world.disks.get(tier)!.mount();
  }
  await Promise.all(victims.map((tier) => world.start(tier)));
  return victims.length;
}
