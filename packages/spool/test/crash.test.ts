import { join } from 'node:path';
import { silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { LaneQueue, LevelMailboxes, LevelStore } from '@backhaul/spool';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { Child } from './support/child.ts';

const KILLS = 6;
const ALL = { maxMessages: 1_000_000, maxBytes: 1e9 };

/** What was said of each id: put, taking, gone. */
class Told {
  readonly #last = new Map<string, string>();
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  hear(lines: readonly string[]): void {
    for (const line of lines) {
      const [verb, id] = line.split(' ') as [string, string];
      if (verb.startsWith(this.#prefix)) this.#last.set(id, verb.slice(this.#prefix.length));
    }
  }

  of(state: 'put' | 'gone'): string[] {
    return [...this.#last].filter(([, last]) => last === state).map(([id]) => id);
  }
}

describe('kill -9', function () {
  this.timeout(60_000);
  let folder: TemporaryDirectory;
  beforeEach(async () => {
    folder = await temporaryDirectory();
  });
  afterEach(() => folder.remove());

  it(`S1, S2, S4, B1: ${KILLS} kills in a row lose nothing that was put and bring nothing back that was settled`, async () => {
    const directory = join(folder.path, 'store');
    const [entries, messages] = [new Told(''), new Told('box-')];
    for (let seed = 1; seed <= KILLS; seed += 1) {
      const child = new Child('./queue-worker.ts', [directory, String(seed)]);
      await child.sawAny(/^gone /);
      await systemClock.sleep(100 + systemRandom.fraction() * 200);
      await child.kill();
      entries.hear(child.lines.filter((line) => !line.startsWith('box-')));
      messages.hear(child.lines.filter((line) => line.startsWith('box-')));
      await check(directory, entries, messages);
    }
  });

  async function check(directory: string, entries: Told, messages: Told): Promise<void> {
    const store = new LevelStore({ directory, clock: systemClock, logger: silentLogger, ballastBytes: 0 });
    const spool = new LaneQueue({ store, clock: systemClock, prefix: 'up', maxBytes: 1e9, maxMessages: 1e6 });
    const boxes = new LevelMailboxes({
      store,
      clock: systemClock,
      random: systemRandom,
      prefix: 'down',
      quotaBytes: 1e9,
      quotaMessages: 1e6,
    });
    await store.start();
    await spool.load();
    await boxes.load();
    const held: string[] = [];
    for (let claim = await spool.claim(ALL); claim; claim = await spool.claim(ALL))
      held.push(...claim.entries.map(({ id }) => id));
    compare(held, entries);
    compare(
      (await boxes.read('o.p1', ALL)).messages.map(({ id }) => id),
      messages,
    );
    expect(store.findings()).to.deep.equal([]);
    await store.stop();
  }

  function compare(held: readonly string[], told: Told): void {
    const set = new Set(held);
    expect(set.size, 'nothing twice').to.equal(held.length);
    expect(
      told.of('put').filter((id) => !set.has(id)),
      'put, and lost',
    ).to.deep.equal([]);
    expect(
      told.of('gone').filter((id) => set.has(id)),
      'settled, and back',
    ).to.deep.equal([]);
  }
});
