import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyFolder } from '../world/copy-folder.ts';
import { isDrained, isQuiet, pause } from '../world/settle.ts';
import type { Tier, World } from '../world/world.ts';
import type { Dice } from './dice.ts';
import { tierSuite } from './tier-suite.ts';

const RESTORED: readonly Tier[] = ['proxy-1', 'proxy-2', 'mlm'];
const WAIT_LIMIT_MS = 60_000;
const RUN_ON_MS = [500, 3_000] as const;

/**
 * F16: the data folder of a proxy or an MLM is put back as it was a while ago. What it had taken since then is with the tier
 * above already (a copy cannot know of more), so nothing may be missing, and nothing that follows may be taken for a repetition.
 */
export const restoredCopies = tierSuite({
  name: 'restored-copies',
  title: 'data folder restored from an older copy',
  counts: { gate: 4, nightly: 104 },
  inject: restoreOne,
});

async function restoreOne(world: World, dice: Dice): Promise<number> {
  const tier = dice.one(RESTORED);
  const role = world.role(tier);
  const copy = join(world.folder, 'copy');
  await role.kill();
  await copyFolder(role.dataDirectory, copy);
  await world.start(tier);
  await pause(dice.between(...RUN_ON_MS));
  await world.load.pause();
  await waitFor(() => isQuiet(world));
  const { lan } = world.lines;
  if (tier === 'mlm') {
    // heartbeats go on: what the MLM took now and had not sent on would be gone with its folder, as with any disk
    lan.faults.refusing = true;
    lan.reset();
    await waitFor(() => isDrained(role));
  }
  await role.kill();
  await rm(role.dataDirectory, { recursive: true, force: true });
  await copyFolder(copy, role.dataDirectory);
  await rm(copy, { recursive: true, force: true });
  await world.start(tier);
  lan.faults.refusing = false;
  // what an MLM merges is known by its place alone, and places are given anew in the first exchange
  await waitFor(async () => ((await role.metrics()).get(`backhaul_${role.role}_uplink_connected`) ?? 0) === 1);
  world.load.resume();
  return 1;
}

async function waitFor(happened: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + WAIT_LIMIT_MS; performance.now() < end; await pause(100))
    if (await happened().catch(() => false)) return;
}
