import { pause } from '../world/settle.ts';
import { TIERS, type World } from '../world/world.ts';
import type { Dice } from './dice.ts';
import { tierSuite } from './tier-suite.ts';

/** How many at once, by weight. */
const TOGETHER = [1, 1, 1, 1, 1, 2, 2, 3, 4] as const;
const AGAIN = 0.2;

/** F1, and F9: the MLM filters, merges and lets expire all the while. */
export const kills = tierSuite({
  name: 'kills',
  title: 'kill -9 of proxy, MLM, application server',
  counts: { gate: 60, nightly: 1_040 },
  inject: killSome,
});

async function killSome(world: World, dice: Dice): Promise<number> {
  const victims = dice.some(TIERS, dice.one(TOGETHER));
  let count = 0;
  for (const tier of victims) {
    await world.role(tier).kill();
    count++;
    if (dice.chance(0.5)) await pause(dice.between(0, 300));
  }
  if (dice.chance(AGAIN)) {
    // and once more while it recovers
    const role = world.role(victims[0]!);
    const starting = role.start().catch(() => undefined);
    await pause(dice.between(50, 900));
    await role.kill();
    await starting;
    count++;
  }
  await Promise.all(victims.map((tier) => world.start(tier)));
  return count;
}
