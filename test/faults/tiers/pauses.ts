import { pause } from '../world/settle.ts';
import { TIERS, type World } from '../world/world.ts';
import type { Dice } from './dice.ts';
import { tierSuite } from './tier-suite.ts';

/** ms; now and then longer than the wait for an answer */
const SHORT = [100, 2_000] as const;
const LONG = [8_000, 14_000] as const;

/** F3: frozen and woken; what is said late must change nothing. */
export const pauses = tierSuite({
  name: 'pauses',
  title: 'SIGSTOP and SIGCONT of each tier',
  counts: { gate: 12, nightly: 320 },
  inject: freezeSome,
});

async function freezeSome(world: World, dice: Dice): Promise<number> {
  const victims = dice.some(TIERS, dice.one([1, 1, 1, 2]));
  for (const tier of victims) world.role(tier).signal('SIGSTOP');
  await pause(dice.chance(0.06) ? dice.between(...LONG) : dice.between(...SHORT));
  for (const tier of victims) world.role(tier).signal('SIGCONT');
  return victims.length;
}
