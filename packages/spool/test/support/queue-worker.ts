/**
 * A process that fills a lane queue and mailboxes and empties them again until it is killed. It says what it is about to take away
 * and what is done: `put <id>`, `taking <id>`, `gone <id>`; for mailboxes with `box` in front.
 *   queue-worker.ts <directory> <seed>
 */
import { writeSync } from 'node:fs';
import { silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { commitChanges, LaneQueue, LevelMailboxes, LevelStore } from '@backhaul/spool';
import { sampleEntry, sampleMessage } from '@backhaul/spool/contract';
import { seededRandom } from '@backhaul/testkit';

const [directory, seed] = process.argv.slice(2) as [string, string];
const dice = seededRandom(Number(seed));
const upTo = (count: number): number => 1 + Math.floor(dice.fraction() * count);
const say = (verb: string, ids: readonly string[]): void =>
  void writeSync(1, ids.map((id) => `${verb} ${id}\n`).join(''));

const options = { directory, clock: systemClock, logger: silentLogger, ballastBytes: 0, writeBufferSize: 64 * 1024 };
const store = new LevelStore(options);
const spool = new LaneQueue({ store, clock: systemClock, prefix: 'up', maxBytes: 1e9, maxMessages: 1e6 });
const mailboxes = new LevelMailboxes({
  store,
  clock: systemClock,
  random: systemRandom,
  prefix: 'down',
  quotaBytes: 1e9,
  quotaMessages: 1e6,
});
await store.start();
await spool.load();
await mailboxes.load();

let made = 0;
const nextId = (): string => `${seed}-${String(made++).padStart(8, '0')}`;

async function fill(): Promise<void> {
  const lane = dice.fraction() < 0.3 ? 2 : 6;
  const entries = Array.from({ length: upTo(20) }, () =>
    sampleEntry({ id: nextId(), lane, body: Buffer.alloc(upTo(2_000), 7) }),
  );
  const message = sampleMessage({ id: nextId() });
  await commitChanges(store, [spool.stage(entries), mailboxes.stagePut(['o.p1', 'o.p2'], message)]);
  say(
    'put',
    entries.map(({ id }) => id),
  );
  say('box-put', [message.id]);
}

async function empty(): Promise<void> {
  const claim = await spool.claim({ maxMessages: upTo(30), maxBytes: 20_000 });
  if (claim === undefined) return systemClock.sleep(0);
  if (dice.fraction() < 0.2) return spool.release(claim);
  const accepted = claim.entries.map(() => dice.fraction() < 0.8);
  const taken = claim.entries.filter((_, index) => accepted[index]).map(({ id }) => id);
  say('taking', taken);
  const verdicts = accepted.map((yes) =>
    yes ? ({ outcome: 'accepted' } as const) : ({ outcome: 'retry', notBefore: 0 } as const),
  );
  await commitChanges(store, [spool.settle(claim, verdicts).change]);
  say('gone', taken);
}

async function acknowledge(): Promise<void> {
  const page = await mailboxes.read('o.p1', { maxMessages: upTo(10), maxBytes: 100_000 });
  const ids = page.messages.map(({ id }) => id);
  if (ids.length === 0) return systemClock.sleep(0);
  say('box-taking', ids);
  await mailboxes.acknowledge('o.p1', page.epoch, page.through);
  say('box-gone', ids);
}

async function repeat(step: () => Promise<void>): Promise<never> {
  for (;;) await step();
}

await Promise.all([fill, fill, empty, empty, acknowledge].map(repeat));
