import type { FaultProxy } from '@backhaul/testkit';
import { pause } from '../world/settle.ts';
import type { World } from '../world/world.ts';
import type { Dice } from './dice.ts';
import { tierSuite } from './tier-suite.ts';

const HIT_LIMIT_MS = 5_000;
/** Where in the stream it is cut: in a handshake, in a header, in the middle of an envelope. */
const CUT_BYTES = [1, 700, 4_000, 40_000] as const;

/** F10: the parent has committed, the child never hears of it, and sends the same again. */
export const lostReplies = tierSuite({
  name: 'lost-replies',
  title: 'reply lost after the commit',
  counts: { gate: 40, nightly: 560 },
  inject: loseReply,
});

/** F10: everything else that a line does. */
export const lines = tierSuite({
  name: 'lines',
  title: 'cut at a random byte, reset, stall, delay, partition',
  counts: { gate: 24, nightly: 320 },
  inject: spoilLine,
  heal: async ({ lines: { lan, wan } }) => {
    for (const { faults } of [lan, wan])
      Object.assign(faults, { delayMs: 0, stalled: false, refusing: false, cutAfter: undefined, dropReply: false });
  },
});

async function loseReply({ lines: { lan, wan } }: World, dice: Dice): Promise<number> {
  const line = dice.one([lan, wan]);
  const before = line.hits.dropped;
  line.faults.dropReply = true;
  await hit(() => line.hits.dropped > before);
  line.faults.dropReply = false;
  return line.hits.dropped - before;
}

async function spoilLine({ lines: { lan, wan } }: World, dice: Dice): Promise<number> {
  const line = dice.one([lan, wan]);
  await dice.one(SPOILED)(line, dice);
  return 1;
}

const SPOILED: readonly ((line: FaultProxy, dice: Dice) => Promise<void>)[] = [
  async (line, dice) => {
    const before = line.hits.cut;
    line.faults.cutAfter = { direction: dice.one(['up', 'down']), bytes: dice.between(1, dice.one(CUT_BYTES) + 1) };
    await hit(() => line.hits.cut > before);
    line.faults.cutAfter = undefined;
  },
  async (line) => line.reset(),
  async (line, dice) => {
    line.faults.stalled = true;
    await pause(dice.between(200, 3_000));
    line.faults.stalled = false;
  },
  async (line, dice) => {
    line.faults.delayMs = dice.between(20, 800);
    await pause(dice.between(500, 2_000));
    line.faults.delayMs = 0;
  },
  async (line, dice) => {
    line.faults.refusing = true;
    line.reset();
    await pause(dice.between(300, 3_000));
    line.faults.refusing = false;
  },
];

async function hit(happened: () => boolean): Promise<void> {
  for (const end = performance.now() + HIT_LIMIT_MS; performance.now() < end && !happened(); ) await pause(5);
}
