import { expect } from 'chai';
import fc from 'fast-check';
import {
  type OverdueMemory,
  type OverdueNews,
  type OverdueState,
  overdueStep,
  ROOT,
  type Watched,
} from '../src/overdue/overdue-machine.ts';

const SETTINGS = { afterMs: 180_000, backAfterMs: 30_000, collectMs: 10_000 };
const MINUTE = 60_000;
const START = 1_000_000;

/** A small world on a clock of its own: who is heard is kept up by hand, everything else by the machine. */
class World {
  now = START;
  readonly told: OverdueNews[] = [];
  readonly notifications: OverdueNews[][] = [];
  readonly heardAt = new Map<string, number>();
  readonly watched = new Map<string, Omit<Watched, 'heardAt'>>();
  readonly mute = new Set<string>();
  memory: OverdueMemory = { states: new Map(), countFrom: START, steadySince: new Map() };

  add(id: string, parents: readonly string[] = [ROOT], customer = 'c1'): this {
    const kind = id.startsWith('m') ? 'mlm' : 'proxy';
    this.watched.set(id, { id, kind, customer, site: 'site-a', parents });
    this.heardAt.set(id, this.now);
    return this;
  }

  /** Everybody who is not mute, and has a way up that is not, is heard; then the machine looks. Every five seconds. */
  pass(ms: number): this {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 5_000;
      for (const id of this.watched.keys()) if (this.isConnected(id)) this.heardAt.set(id, this.now);
      this.look();
    }
    return this;
  }

  isConnected(id: string): boolean {
    if (id === ROOT) return true;
    return !this.mute.has(id) && this.watched.get(id)!.parents.some((parent) => this.isConnected(parent));
  }

  look(): void {
    const watched = [...this.watched.values()].map((one) => ({ ...one, heardAt: this.heardAt.get(one.id) }));
    const { changes, news } = overdueStep(this.memory, watched, this.now, SETTINGS);
    const states = new Map(this.memory.states);
    for (const [id, state] of changes) {
      if (state) states.set(id, state);
      else states.delete(id);
    }
    this.memory = { ...this.memory, states };
    for (const group of news) this.notifications.push([...group]);
    this.told.push(...news.flat());
  }

  /** What the store keeps, and nothing else, is there after a restart. */
  restart(awayMs: number): this {
    this.now += awayMs;
    this.memory = { states: new Map(this.memory.states), countFrom: this.now, steadySince: new Map() };
    return this;
  }

  phase(id: string): OverdueState['phase'] | undefined {
    return this.memory.states.get(id)?.phase;
  }

  get words(): string[] {
    return this.told.map(({ type, state }) => `${state.id} ${type}`);
  }
}

describe('Overdue: the machine', () => {
  it('tells of one that falls silent after its time, once, and of its return with the time it was away', () => {
    const world = new World().add('p1').pass(10 * MINUTE);
    world.mute.add('p1');
    world.pass(3 * MINUTE);
    expect(world.words).to.deep.equal([]);
    world.pass(5 * MINUTE);
    expect(world.words).to.deep.equal(['p1 overdue']);
    world.mute.clear();
    world.pass(2 * MINUTE);
    expect(world.words).to.deep.equal(['p1 overdue', 'p1 back']);
    const back = world.told[1]!;
    expect(back.type === 'back' && back.awayMs).to.be.within(8 * MINUTE, 8 * MINUTE + 10_000);
  });

  it('O2: when an MLM is gone, one piece of news says so; what stands behind it is unreachable, not overdue', () => {
    const world = new World().add('m1');
    for (let n = 1; n <= 1_000; n++) world.add(`p${n}`, ['m1']);
    world.pass(5 * MINUTE);
    world.mute.add('m1');
    world.pass(10 * MINUTE);
    expect(world.words).to.deep.equal(['m1 overdue']);
    expect(world.told[0]).to.include({ type: 'overdue', behind: 1_000 });
    expect(world.phase('p7')).to.equal('unreachable');
    world.mute.clear();
    world.pass(5 * MINUTE);
    expect(world.words).to.deep.equal(['m1 overdue', 'm1 back']);
    expect(world.phase('p7')).to.equal(undefined);
  });

  it('O2: a child whose last word is older than its MLM’s does not cry before the MLM is judged', () => {
    const world = new World()
      .add('m1')
      .add('p1', ['m1'])
      .pass(5 * MINUTE);
    world.heardAt.set('p1', world.now - MINUTE);
    world.mute.add('m1').add('p1');
    world.pass(10 * MINUTE);
    expect(world.words).to.deep.equal(['m1 overdue']);
  });

  it('one that does not come back with its MLM is told by itself, after its own time', () => {
    const world = new World()
      .add('m1')
      .add('p1', ['m1'])
      .add('p2', ['m1'])
      .pass(5 * MINUTE);
    world.mute.add('m1').add('p2');
    world.pass(10 * MINUTE);
    world.mute.delete('m1');
    world.pass(2 * MINUTE);
    expect(world.words).to.deep.equal(['m1 overdue', 'm1 back']);
    world.pass(3 * MINUTE);
    expect(world.words).to.deep.equal(['m1 overdue', 'm1 back', 'p2 overdue']);
  });

  it('one with two parents is not behind the one that is gone', () => {
    const world = new World()
      .add('m1')
      .add('m2')
      .add('p1', ['m1', 'm2'])
      .pass(5 * MINUTE);
    world.mute.add('m1').add('p1');
    world.pass(10 * MINUTE);
    expect(world.words).to.deep.equal(['m1 overdue', 'p1 overdue']);
    expect(world.told[0]).to.include({ behind: 0 });
  });

  it('O3: after a start, and after an outage of our own, everybody gets their time anew', () => {
    const world = new World()
      .add('m1')
      .add('p1')
      .pass(5 * MINUTE)
      .restart(60 * MINUTE);
    world.pass(2 * MINUTE);
    expect(world.words).to.deep.equal([]);
    world.mute.add('p1');
    world.restart(60 * MINUTE).pass(4 * MINUTE);
    expect(world.words).to.deep.equal(['p1 overdue']);
  });

  it('a restart neither forgets nor repeats', () => {
    const world = new World().add('p1').pass(5 * MINUTE);
    world.mute.add('p1');
    world
      .pass(5 * MINUTE)
      .restart(5_000)
      .pass(20 * MINUTE);
    expect(world.words).to.deep.equal(['p1 overdue']);
    world.mute.clear();
    world
      .pass(20_000)
      .restart(5_000)
      .pass(5 * MINUTE);
    expect(world.words).to.deep.equal(['p1 overdue', 'p1 back']);
  });

  it('one that flaps has to be heard for longer each time before it is back', () => {
    const world = new World().add('p1').pass(5 * MINUTE);
    for (let round = 0; round < 20; round++) {
      world.mute.add('p1');
      world.pass(4 * MINUTE);
      world.mute.delete('p1');
      world.pass(MINUTE);
    }
    expect(world.told.length).to.be.below(10);
    expect(world.words[0]).to.equal('p1 overdue');
  });

  it('many of one customer are told together', () => {
    const world = new World();
    for (let n = 1; n <= 300; n++) world.add(`p${n}`);
    world.add('p900', [ROOT], 'c2').pass(5 * MINUTE);
    for (const id of world.watched.keys()) world.mute.add(id);
    world.pass(10 * MINUTE);
    expect(world.notifications.map((group) => group.length)).to.have.members([300, 1]);
  });

  it('those that fall silent a few seconds apart are told together, too; one that is heard meanwhile is not told', () => {
    const world = new World();
    for (let n = 1; n <= 6; n++) world.add(`p${n}`);
    world.pass(5 * MINUTE);
    for (const id of ['p1', 'p2', 'p3', 'p4']) world.mute.add(id);
    world.pass(5_000);
    world.mute.add('p5');
    world.pass(3 * MINUTE);
    expect(world.words).to.deep.equal([]);
    world.mute.delete('p4');
    world.pass(MINUTE);
    expect(world.notifications).to.have.length(1);
    expect(world.words).to.have.members(['p1 overdue', 'p2 overdue', 'p3 overdue', 'p5 overdue']);
  });

  it('one told of by its proxy is overdue at once, and not judged while the proxy is not heard', () => {
    const watched = (toldSilent: boolean, proxyHeardAt: number): Watched[] => [
      { id: 'p1', kind: 'proxy', customer: 'c1', site: null, parents: [ROOT], heardAt: proxyHeardAt },
      { id: 'p1.i1', kind: 'integrator', customer: 'c1', site: null, parents: ['p1'], heardAt: START, toldSilent },
    ];
    const memory = { states: new Map(), countFrom: 0, steadySince: new Map() };
    const now = START + MINUTE;
    expect(overdueStep(memory, watched(true, now), now, SETTINGS).changes.get('p1.i1')?.phase).to.equal('overdue');
    expect(overdueStep(memory, watched(false, now), now, SETTINGS).changes.size).to.equal(0);
    expect(overdueStep(memory, watched(true, now - 100_000), now, SETTINGS).changes.size).to.equal(0);
  });

  it('one that is removed or revoked is forgotten without a word; what stood behind a revoked MLM is unreachable', () => {
    const world = new World()
      .add('m1')
      .add('p1', ['m1'])
      .pass(5 * MINUTE);
    world.mute.add('m1');
    world.pass(10 * MINUTE);
    world.watched.delete('m1');
    world.isConnected = () => false;
    world.pass(10 * MINUTE);
    expect(world.words).to.deep.equal(['m1 overdue']);
    expect(world.phase('m1')).to.equal(undefined);
    expect(world.phase('p1')).to.equal('unreachable');
  });

  it('O1: whatever happens, overdue and back take turns for each component, also across restarts', () => {
    const action = fc.oneof(
      fc.record({ mute: fc.constantFrom('m1', 'p1', 'p2', 'p3'), ms: fc.integer({ min: 0, max: 10 * MINUTE }) }),
      fc.record({ unmute: fc.constantFrom('m1', 'p1', 'p2', 'p3'), ms: fc.integer({ min: 0, max: 10 * MINUTE }) }),
      fc.record({ restart: fc.integer({ min: 0, max: 30 * MINUTE }), ms: fc.integer({ min: 0, max: 5 * MINUTE }) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 25 }), (actions) => {
        const world = new World().add('m1').add('p1', ['m1']).add('p2', ['m1', ROOT]).add('p3');
        for (const one of actions) {
          if ('mute' in one) world.mute.add(one.mute);
          else if ('unmute' in one) world.mute.delete(one.unmute);
          else world.restart(one.restart);
          world.pass(one.ms);
        }
        for (const id of world.watched.keys()) {
          const types = world.told.filter(({ state }) => state.id === id).map(({ type }) => type);
          expect(types).to.deep.equal(types.map((_, index) => (index % 2 === 0 ? 'overdue' : 'back')));
        }
        world.mute.clear();
        world.pass(120 * MINUTE);
        for (const id of world.watched.keys())
          expect(world.told.filter(({ state }) => state.id === id).length % 2).to.equal(0);
      }),
      { numRuns: 150 },
    );
  });
});
