import { expect } from 'chai';
import fc from 'fast-check';
import {
  LINGER_MS,
  step,
  type Transfer,
  type TransferEffect,
  type TransferEvent,
} from '../src/transfers/transfer-machine.ts';

const IDS = ['c0000test.p1', 'c0000test.p2', 'c0000test.p3'];
const SIZE = 100;
const EXPIRES_AT = 1_000_000;

/** What must have happened so far, told apart from how the machine does it. */
interface Model {
  now: number;
  granted: boolean;
  fetched: boolean;
  refusalTold: boolean;
  readonly offered: Set<string>;
  readonly final: Map<string, 'done' | 'gave-up'>;
  over: boolean;
}

interface Real {
  transfer: Transfer;
}

/** An event, and what the model says of its effects. */
class Happens implements fc.Command<Model, Real> {
  readonly event: TransferEvent;
  readonly afterMs: number;

  constructor(event: TransferEvent, afterMs: number) {
    this.event = event;
    this.afterMs = afterMs;
  }

  check(): boolean {
    return true; // any event may come at any time: late, twice, out of order
  }

  run(model: Model, real: Real): void {
    model.now += this.afterMs;
    const { transfer, effects } = step(real.transfer, this.event, model.now);
    const again = step(transfer, this.event, model.now);
    this.#effects(model, effects);
    this.#states(model, real.transfer, transfer);
    real.transfer = transfer;
    expect(again.effects.filter((effect) => effect.do !== 'refuse')).to.deep.equal([]); // told twice, done once
    if (transfer.state === 'finished') expect(again.transfer).to.deep.equal(transfer);
  }

  toString(): string {
    return `${JSON.stringify(this.event)} after ${this.afterMs} ms`;
  }

  /** A grant once, then bytes, then offers; each destination is offered to once; one report, at the end. */
  #effects(model: Model, effects: readonly TransferEffect[]): void {
    for (const effect of effects) {
      expect(model.over, 'nothing is done after the end').to.equal(false);
      if (effect.do === 'grant') {
        expect(model.granted).to.equal(false);
        model.granted = true;
      } else if (effect.do === 'offer') {
        expect(model.fetched, 'offered only what is here whole').to.equal(true);
        for (const id of effect.to) expect(model.offered.has(id), `${id} is offered to twice`).to.equal(false);
        for (const id of effect.to) model.offered.add(id);
      } else if (effect.do === 'report') model.over = true;
      else if (!model.granted) {
        expect(model.refusalTold, 'a refusal is told once').to.equal(false);
        model.refusalTold = true;
      }
    }
    if (this.event.type === 'fetched' && model.granted && !model.over) model.fetched = true;
    if (this.event.type === 'lost') model.fetched = false;
  }

  #states(model: Model, before: Transfer, after: Transfer): void {
    expect(after.wanBytes).to.be.at.least(before.wanBytes);
    expect(after.lanBytes).to.be.at.least(before.lanBytes);
    if (!model.granted) expect(after.wanBytes, 'no byte before every yes').to.equal(0);
    for (const { id, state } of after.destinations) {
      const said = model.final.get(id);
      if (said !== undefined) expect(state, `the last word of ${id} stands`).to.equal(said);
      if (state === 'done' || state === 'gave-up') model.final.set(id, state);
      if (state === 'offered' || state === 'served') expect(model.offered.has(id)).to.equal(true);
    }
    const isOver = after.destinations.every(({ state }) => state === 'done' || state === 'gave-up');
    if (isOver || model.now >= EXPIRES_AT) expect(after.state).to.equal('finished');
    expect(after.state === 'finished', 'a report ends it').to.equal(model.over);
  }
}

const id = fc.constantFrom(...IDS);
const waitMs = fc.constantFrom(0, 1_000, 60_000);
const event: fc.Arbitrary<TransferEvent> = fc.oneof(
  fc.constant<TransferEvent>({ type: 'allowed' }),
  waitMs.map((ms): TransferEvent => ({ type: 'refused', code: 'BH-E-BULK-SPACE', reason: 'full', waitMs: ms })),
  fc.constant<TransferEvent>({ type: 'fetched', bytes: SIZE, fetches: 1 }),
  fc.tuple(fc.boolean(), waitMs, fc.nat(SIZE)).map(
    ([final, ms, bytes]): TransferEvent => ({
      type: 'fetch-failed',
      reason: 'BH-E-BULK-GONE',
      final,
      waitMs: ms,
      bytes,
    }),
  ),
  fc.subarray(IDS).map((ids): TransferEvent => ({ type: 'room', ids })),
  fc
    .tuple(id, fc.nat(SIZE), fc.boolean())
    .map(([who, bytes, complete]): TransferEvent => ({ type: 'served', id: who, bytes, complete })),
  fc.tuple(id, fc.boolean()).map(([who, has]): TransferEvent => ({ type: 'answered', id: who, has })),
  fc.constant<TransferEvent>({ type: 'lost' }),
  fc.constant<TransferEvent>({ type: 'tick' }),
);
const afterMs = fc.oneof(
  { weight: 8, arbitrary: fc.nat(5_000) },
  { weight: 1, arbitrary: fc.constantFrom(LINGER_MS, EXPIRES_AT) },
);

const begun: Transfer = {
  ...{ id: '0'.repeat(26), sha256: 'a'.repeat(64), size: SIZE, class: 'software', subclass: 'offer' },
  ...{ name: 'demo', version: '1.0.0', state: 'asking', notBefore: 0, refusalTold: false, expiresAt: EXPIRES_AT },
  ...{ wanBytes: 0, fetches: 0, lanBytes: 0, offer: { header: '', body: '', receivedAt: 0 } },
  destinations: IDS.map((one) => ({ id: one, state: 'waiting' })),
};

describe('transfer machine, against a model (M4)', () => {
  it('bytes after every yes, offers when it is here whole, one offer and one last word each, one report', () => {
    const commands = fc.commands([fc.tuple(event, afterMs).map(([what, ms]) => new Happens(what, ms))], { size: '+1' });
    fc.assert(
      fc.property(commands, (list) => {
        fc.modelRun(() => {
          const model: Model = {
            ...{ now: 0, granted: false, fetched: false, refusalTold: false, over: false },
            ...{ offered: new Set<string>(), final: new Map() },
          };
          return { model, real: { transfer: begun } };
        }, list);
      }),
      { numRuns: 500 },
    );
  });
});
