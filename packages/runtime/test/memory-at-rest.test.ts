import { spawnSync } from 'node:child_process';
import { collectYoung, MemoryAtRest } from '@backhaul/runtime';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';

const MIB = 1024 ** 2;

describe('memory at rest', () => {
  /** A process whose load and heap the test sets. */
  function process(heapMib: number) {
    const clock = new FakeClock();
    const state = { busy: 0, heapMib, pauseMs: 0, collected: [] as number[] };
    const atRest = new MemoryAtRest(clock, {
      busyShare: () => state.busy,
      heapBytes: () => state.heapMib * MIB,
      collect: () => {
        state.collected.push(clock.monotonic());
        state.heapMib = 30;
        void clock.advance(state.pauseMs);
      },
    });
    atRest.start();
    return { clock, state, atRest };
  }

  it('is given back after ten quiet seconds, once', async () => {
    const { clock, state } = process(60);
    const start = clock.monotonic();
    await clock.advance(60_000);
    expect(state.collected.map((at) => at - start)).to.deep.equal([10_000]);
  });

  it('stays while the process works, and waits for ten quiet seconds in a row', async () => {
    const { clock, state } = process(60);
    state.busy = 0.3;
    await clock.advance(61_000);
    state.busy = 0.005;
    await clock.advance(5_000);
    state.busy = 0.02;
    await clock.advance(5_000);
    state.busy = 0.005;
    await clock.advance(8_000);
    expect(state.collected).to.deep.equal([]);
    await clock.advance(5_000);
    expect(state.collected).to.have.length(1);
  });

  it('is given back again when it has grown by what is worth the pause', async () => {
    const { clock, state } = process(60);
    await clock.advance(20_000);
    state.heapMib = 37;
    await clock.advance(60_000);
    expect(state.collected, 'seven MiB more').to.have.length(1);
    state.heapMib = 39;
    await clock.advance(60_000);
    expect(state.collected, 'nine MiB more').to.have.length(2);
  });

  it('takes no more than a thousandth of the time, however fast it grows', async () => {
    const { clock, state } = process(60);
    state.pauseMs = 100;
    await clock.advance(20_000);
    state.heapMib = 60;
    await clock.advance(85_000);
    expect(state.collected, 'a hundred seconds have not passed').to.have.length(1);
    await clock.advance(15_000);
    expect(state.collected).to.have.length(2);
  });

  it('nothing happens after a stop', async () => {
    const { clock, state, atRest } = process(60);
    await atRest.stop();
    await clock.advance(60_000);
    expect(state.collected).to.deep.equal([]);
  });

  /** What a real process has after a burst of short-lived objects, before and after a collection, in MiB. */
  function ofARealProcess(flags: readonly string[]): string {
    const script = `
      const { thisProcess } = await import('@backhaul/runtime');
      const memory = thisProcess();
      if (memory === undefined) { console.log('none'); process.exit(0); }
      memory.busyShare();
      let kept = [];
      for (let i = 0; i < 3e6; i++) { kept.push({ i }); if (kept.length > 2e5) kept = []; }
      kept = [];
      const before = memory.heapBytes();
      memory.collect();
      console.log(JSON.stringify({ before, after: memory.heapBytes(), busy: memory.busyShare() }));
    `;
    const ran = spawnSync(globalThis.process.execPath, [
      ...flags,
      '--conditions=backhaul-source',
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '--eval',
      script,
    ]);
    return ran.stdout.toString();
  }

  it('a real process gives back what a burst took', () => {
    const { before, after, busy } = JSON.parse(ofARealProcess(['--expose-gc', '--max-semi-space-size=32']));
    expect(before - after).to.be.greaterThan(16 * MIB);
    expect(busy).to.be.within(0, 1);
  }).timeout(20_000);

  it('where the collector has no function nothing is given back', () => {
    expect(ofARealProcess([])).to.equal('none\n');
  }).timeout(20_000);

  it('the youngest objects can be collected, and nothing happens where the collector has no function', () => {
    const collector = globalThis.gc;
    const asked: unknown[] = [];
    try {
      globalThis.gc = ((options: unknown) => asked.push(options)) as unknown as NodeJS.GCFunction;
      collectYoung();
      globalThis.gc = undefined;
      collectYoung();
    } finally {
      globalThis.gc = collector;
    }
    expect(asked).to.deep.equal([{ type: 'minor', execution: 'sync' }]);
  });
});
