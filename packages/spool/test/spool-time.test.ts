import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import { SpoolTime } from '../src/spool-time.ts';

const YEAR_MS = 365 * 86_400_000;
const HOUR_MS = 3_600_000;
const START = 1_795_000_000_000;

/** A component that is started again and again over one disk. `true` time is the monotonic one of the test. */
class Life {
  readonly clock = new FakeClock(START);
  time = new SpoolTime(this.clock);
  next = 1;
  readonly written: { number: number; axis: number; trueAt: number }[] = [];
  #disk: Uint8Array | undefined;
  /** the wall clock is wrong by this */
  wrongMs = 0;

  constructor() {
    this.#load();
  }

  write(): void {
    const number = this.next++;
    for (const op of this.time.markOps('t', () => ({ q: this.written[0]?.number ?? number })))
      if (op.type === 'put') this.#disk = op.value;
    this.written.push({ number, axis: this.time.now(), trueAt: this.clock.monotonic() });
  }

  setWall(wrongMs: number): void {
    this.clock.jump(wrongMs - this.wrongMs);
    this.wrongMs = wrongMs;
  }

  async restart(offMs: number): Promise<void> {
    await this.clock.advance(offMs);
    this.time = new SpoolTime(this.clock);
    this.#load();
  }

  /** The clock of the parent is right. */
  hearParent(): number {
    return this.time.hearParent(START + this.clock.monotonic());
  }

  /** ms that a record has been here, as the component believes, and as it is */
  residence(at: number): { believed: number; real: number } {
    const { number, axis, trueAt } = this.written[at]!;
    const believed = this.time.now() - (axis + this.time.shiftOf('q', number));
    return { believed, real: this.clock.monotonic() - trueAt };
  }

  #load(): void {
    const newestAt = (first: Readonly<Record<string, number>>): number =>
      Math.max(...this.written.filter(({ number }) => number >= (first['q'] ?? 1)).map(({ axis }) => axis));
    this.time.load(this.#disk, { q: this.next }, newestAt);
  }
}

describe('time in the spool [DESIGN §4.6]', () => {
  it('within one run it is monotonic, however the wall clock is set', async () => {
    const life = new Life();
    life.write();
    for (const wrongMs of [YEAR_MS, -YEAR_MS, HOUR_MS, 0]) {
      life.setWall(wrongMs);
      await life.clock.advance(1_000);
      const { believed, real } = life.residence(0);
      expect(believed).to.equal(real);
    }
  });

  it('at the door it is what the wall clock says now', async () => {
    const life = new Life();
    life.setWall(HOUR_MS);
    expect(life.time.now() - life.time.offset).to.equal(life.clock.now());
  });

  it('from one run to the next it goes on by the wall clock', async () => {
    const life = new Life();
    life.write();
    await life.clock.advance(10_000);
    await life.restart(HOUR_MS);
    const { believed, real } = life.residence(0);
    expect(believed).to.equal(real);
  });

  it('a clock that went back while it was off adds nothing, and takes nothing away', async () => {
    const life = new Life();
    life.write();
    await life.clock.advance(10_000);
    life.write();
    life.setWall(-YEAR_MS);
    await life.restart(HOUR_MS);
    expect(life.residence(0).believed).to.equal(10_000);
    await life.clock.advance(5_000);
    expect(life.residence(0).believed).to.equal(15_000);
  });

  it("a clock that is a year ahead after a start is corrected by the parent's, and until then nothing is certain", async () => {
    const life = new Life();
    life.write();
    life.setWall(YEAR_MS);
    await life.restart(HOUR_MS);
    expect(life.residence(0).believed).to.be.greaterThan(YEAR_MS);
    expect(life.time.isUncertain('q', 1)).to.equal(true);
    expect(life.time.isUncertain('q', 2), 'a record of this run').to.equal(false);
    expect(life.hearParent()).to.equal(YEAR_MS);
    expect(life.time.isUncertain('q', 1)).to.equal(false);
    expect(life.residence(0)).to.deep.equal({ believed: HOUR_MS, real: HOUR_MS });
    expect(life.hearParent(), 'once').to.equal(0);
  });

  it('the correction is kept: the next start knows it', async () => {
    const life = new Life();
    life.write();
    life.setWall(YEAR_MS);
    await life.restart(HOUR_MS);
    life.hearParent();
    life.write();
    await life.restart(HOUR_MS);
    life.hearParent();
    expect(life.residence(0)).to.deep.equal({ believed: 2 * HOUR_MS, real: 2 * HOUR_MS });
    expect(life.residence(1)).to.deep.equal({ believed: HOUR_MS, real: HOUR_MS });
  });

  it('a parent that is not heard for a minute leaves it to the own clock', async () => {
    const life = new Life();
    life.write();
    await life.restart(HOUR_MS);
    await life.clock.advance(59_999);
    expect(life.time.isUncertain('q', 1)).to.equal(true);
    await life.clock.advance(1);
    expect(life.time.isUncertain('q', 1)).to.equal(false);
  });

  it('is right to a minute a start, whatever the wall clock did, once the parent was heard in every run', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('write' as const) }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 10 * HOUR_MS }) }),
      fc.record({ do: fc.constant('set' as const), ms: fc.integer({ min: -YEAR_MS, max: YEAR_MS }) }),
      fc.record({ do: fc.constant('restart' as const), ms: fc.integer({ min: 1, max: 10 * HOUR_MS }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const life = new Life();
        life.hearParent();
        for (const each of steps) {
          if (each.do === 'write') life.write();
          else if (each.do === 'pass') await life.clock.advance(each.ms);
          else if (each.do === 'set') life.setWall(each.ms);
          else {
            await life.restart(each.ms);
            life.hearParent();
          }
          for (const at of life.written.keys()) {
            const { believed, real } = life.residence(at);
            expect(Math.abs(believed - real)).to.be.at.most(10_000 * (1 + steps.length));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never goes back within the life of a record, without any parent', async () => {
    const step = fc.record({
      pass: fc.integer({ min: 0, max: HOUR_MS }),
      wrongMs: fc.integer({ min: -YEAR_MS, max: YEAR_MS }),
      restarts: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const life = new Life();
        life.write();
        let running = 0;
        let before = 0;
        for (const { pass, wrongMs, restarts } of steps) {
          life.setWall(wrongMs);
          if (restarts) {
            life.write();
            await life.restart(pass);
          } else {
            await life.clock.advance(pass);
            running += pass;
          }
          const { believed } = life.residence(0);
          expect(believed).to.be.at.least(before);
          expect(believed, 'time that it ran always counts').to.be.at.least(running);
          before = believed;
        }
      }),
      { numRuns: 300 },
    );
  });
});
