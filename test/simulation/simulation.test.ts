import { storeContract } from '@backhaul/spool/contract';
import { expect } from 'chai';
import { EventQueue } from './event-queue.ts';
import { Incarnation } from './incarnation.ts';
import { runSeed } from './run-seed.ts';
import { SimDisk } from './sim-disk.ts';
import { SimRandom } from './sim-random.ts';
import { SimStore } from './sim-store.ts';
import { Simulator } from './simulator.ts';

describe('Simulation', () => {
  it('runs events by time, ties in the order in which they were asked for', () => {
    const queue = new EventQueue();
    const random = new SimRandom(1, 'queue');
    const asked = Array.from({ length: 300 }, (_, order) => ({ at: random.between(0, 20), order }));
    for (const { at, order } of asked) queue.push({ at, order, label: '', cancelled: false, run: () => {} });
    const popped = Array.from({ length: 300 }, () => queue.pop()!).map(({ at, order }) => ({ at, order }));
    expect(popped).to.deep.equal(asked.toSorted((a, b) => a.at - b.at || a.order - b.order));
  });

  it('runs all that an event set going before the next event', async () => {
    const sim = new Simulator();
    const seen: string[] = [];
    sim.schedule(1, 'a', () => {
      void (async () => {
        for (let i = 0; i < 100; i++) await undefined;
        seen.push('all of a');
      })();
    });
    sim.schedule(1, 'b', () => void seen.push('b'));
    await sim.run(10);
    expect(seen).to.deep.equal(['all of a', 'b']);
  });

  it('a crashed life never does anything again', async () => {
    const sim = new Simulator();
    const life = new Incarnation(sim, 'n', 1, () => 0);
    const seen: string[] = [];
    life.clock.after(5, () => seen.push('timer'));
    void life.clock.sleep(6).then(() => seen.push('sleep'));
    sim.schedule(4, 'crash', () => life.end());
    await sim.run(100);
    expect(seen).to.deep.equal([]);
  });

  it('a crash keeps what was written, and the write under way as a whole or not at all', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = new Simulator();
      const life = new Incarnation(sim, 'n', 1, () => 0);
      const disk = new SimDisk();
      const conditions = { writeMs: () => 10, outcome: () => 'done' as const, accepting: true };
      const store = new SimStore({ disk, life, random: new SimRandom(seed, 'disk'), conditions });
      await store.start();
      const put = (key: string) => ({ type: 'put', key, value: Buffer.of(1) }) as const;
      void store.commit([put('a')]);
      sim.schedule(5, 'second', () => void store.commit([put('b'), put('c')]));
      sim.schedule(12, 'third', () => void store.commit([put('d')]));
      sim.schedule(15, 'crash', () => {
        life.end();
        store.crash();
      });
      await sim.run(100);
      expect(disk.keys('', undefined).join('')).to.be.oneOf(['a', 'abc']);
    }
  });

  it('worlds with faults keep every invariant, and the same seed leaves the same trace', async function () {
    this.timeout(120_000);
    const first = await runSeed({ seed: 1, hours: 0.1 });
    expect(first.failure?.detail).to.equal(undefined);
    const again = await runSeed({ seed: 1, hours: 0.1 });
    expect(again.trace).to.equal(first.trace);
    for (const seed of [2, 3]) {
      const result = await runSeed({ seed, hours: 0.1 });
      expect(result.failure?.detail, `seed ${seed}`).to.equal(undefined);
    }
  });
});

storeContract('SimStore', async () => {
  const disk = new SimDisk();
  return await subject(disk);
});

/** A store whose simulated time runs by itself, as fast as it can. */
async function subject(disk: SimDisk) {
  const sim = new Simulator();
  const life = new Incarnation(sim, 'n', 1, () => 0);
  const conditions = { writeMs: () => 1, outcome: () => 'done' as const, accepting: true };
  const store = new SimStore({ disk, life, random: new SimRandom(1, 'disk'), conditions });
  await store.start();
  let running = true;
  void (async () => {
    while (running) {
      await sim.run(sim.now + 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const stop = async (): Promise<void> => {
    await store.stop();
    running = false;
  };
  return {
    store,
    reopen: async () => {
      await stop();
      return await subject(disk);
    },
    close: stop,
  };
}
