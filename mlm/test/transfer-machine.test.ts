import { expect } from 'chai';
import fc from 'fast-check';
import { LINGER_MS, step, type Transfer, type TransferEvent, waitOf } from '../src/transfers/transfer-machine.ts';
import { P1, P2, P3 } from './test-mlm.ts';

const begun = (over: Partial<Transfer> = {}): Transfer => ({
  id: '0'.repeat(26),
  sha256: 'a'.repeat(64),
  size: 100,
  class: 'software',
  subclass: 'offer',
  name: 'demo',
  version: '1.0.0',
  state: 'asking',
  destinations: [P1, P2, P3].map((id) => ({ id, state: 'waiting' })),
  notBefore: 0,
  refusalTold: false,
  wanBytes: 0,
  fetches: 0,
  lanBytes: 0,
  offer: { header: '', body: '', receivedAt: 0 },
  ...over,
});

const run = (from: Transfer, events: readonly TransferEvent[], now = 1000) => {
  let transfer = from;
  const effects = events.flatMap((event) => {
    const next = step(transfer, event, now);
    transfer = next.transfer;
    return next.effects;
  });
  return { transfer, effects };
};

const room = { type: 'room', ids: [P1, P2, P3] } as const;
const fetched = { type: 'fetched', bytes: 100, fetches: 1 } as const;
const has = (id: string) => ({ type: 'answered', id, has: true }) as const;

describe('transfer machine', () => {
  it('asks, fetches, offers, and is finished when everybody has it or gave up', () => {
    const { transfer, effects } = run(begun(), [
      { type: 'allowed' },
      fetched,
      room,
      { type: 'served', id: P1, bytes: 100, complete: true },
      has(P1),
      has(P2),
      { type: 'answered', id: P3, has: false, reason: 'BH-E-POLICY-KEY' },
    ]);
    expect(effects).to.deep.equal([{ do: 'grant' }, { do: 'offer', to: [P1, P2, P3] }, { do: 'report' }]);
    expect(transfer).to.include({ state: 'finished', wanBytes: 100, fetches: 1, lanBytes: 100 });
    expect(transfer.destinations.map(({ state }) => state)).to.deep.equal(['done', 'done', 'gave-up']);
  });

  it('a refusal is told once, and asked again after its wait', () => {
    const refusal = { type: 'refused', code: 'BH-E-BULK-REFUSED', reason: 'too large', waitMs: 500 } as const;
    const { transfer, effects } = run(begun(), [refusal, refusal]);
    expect(effects).to.deep.equal([{ do: 'refuse', code: 'BH-E-BULK-REFUSED', reason: 'too large', waitMs: 500 }]);
    expect(transfer).to.include({ state: 'asking', notBefore: 1500 });
    expect(run(transfer, [{ type: 'allowed' }]).effects).to.deep.equal([{ do: 'grant' }]);
  });

  it('a clock that is set back a year does not put it off for a year; nor does a wait of a day', () => {
    const refusal = { type: 'refused', code: 'BH-E-BULK-REFUSED', reason: 'r', waitMs: 86_400_000 } as const;
    const ahead = 1_795_219_200_000;
    const { transfer } = run(begun(), [refusal], ahead);
    expect(waitOf(transfer, ahead)).to.equal(900_000);
    expect(waitOf(transfer, ahead + 900_000)).to.equal(0);
    expect(waitOf(transfer, ahead - 365 * 86_400_000)).to.equal(0);
  });

  it('offers only to those who have room; the others wait', () => {
    const { transfer, effects } = run(begun(), [{ type: 'allowed' }, fetched, { type: 'room', ids: [P2] }]);
    expect(effects.at(-1)).to.deep.equal({ do: 'offer', to: [P2] });
    expect(run(transfer, [room]).effects).to.deep.equal([{ do: 'offer', to: [P1, P3] }]);
    expect(run(transfer, [{ type: 'room', ids: [P2] }]).effects).to.deep.equal([]);
  });

  it('goes on serving one that was cut off, and one that was served whole but says nothing, for a while', () => {
    const { transfer } = run(begun(), [
      { type: 'allowed' },
      fetched,
      room,
      has(P1),
      has(P2),
      { type: 'served', id: P3, bytes: 40, complete: false },
    ]);
    expect(transfer).to.include({ state: 'offered', lanBytes: 40 });
    const whole = run(transfer, [{ type: 'served', id: P3, bytes: 60, complete: true }]).transfer;
    expect(whole.state).to.equal('offered');
    expect(run(whole, [{ type: 'tick' }], 1000 + LINGER_MS - 1).transfer.state).to.equal('offered');
    expect(run(whole, [{ type: 'tick' }], 1000 + LINGER_MS).transfer.state).to.equal('finished');
  });

  it('its time over, nobody waits any longer', () => {
    const { transfer, effects } = run(begun({ expiresAt: 2000 }), [{ type: 'tick' }], 2000);
    expect(effects).to.deep.equal([{ do: 'report' }]);
    expect(transfer.destinations).to.deep.include({ id: P1, state: 'gave-up', reason: 'expired' });
  });

  it('an artifact that the parent no longer has ends it; a lost line does not', () => {
    const fetching = run(begun(), [{ type: 'allowed' }]).transfer;
    const failed = {
      type: 'fetch-failed',
      reason: 'BH-E-PARENT-UNREACHABLE',
      final: false,
      waitMs: 100,
      bytes: 30,
    } as const;
    expect(run(fetching, [failed]).transfer).to.include({
      state: 'fetching',
      notBefore: 1100,
      wanBytes: 30,
      fetches: 1,
    });
    const { transfer, effects } = run(fetching, [{ ...failed, reason: 'BH-E-BULK-GONE', final: true }]);
    expect(transfer.state).to.equal('finished');
    expect(effects.map((effect) => effect.do)).to.deep.equal(['refuse', 'report']);
  });

  const id = fc.constantFrom(P1, P2, P3);
  const anyEvent: fc.Arbitrary<TransferEvent> = fc.oneof(
    fc.constant<TransferEvent>({ type: 'allowed' }),
    fc.constant<TransferEvent>({ type: 'refused', code: 'BH-E-BULK-SPACE', reason: 'r', waitMs: 5 }),
    fc.constant<TransferEvent>(fetched),
    fc.boolean().map((final): TransferEvent => ({ type: 'fetch-failed', reason: 'r', final, waitMs: 5, bytes: 1 })),
    fc.uniqueArray(id).map((ids): TransferEvent => ({ type: 'room', ids })),
    fc
      .tuple(id, fc.boolean())
      .map(([who, complete]): TransferEvent => ({ type: 'served', id: who, bytes: 1, complete })),
    fc.tuple(id, fc.boolean()).map(([who, yes]): TransferEvent => ({ type: 'answered', id: who, has: yes })),
    fc.constant<TransferEvent>({ type: 'tick' }),
    fc.constant<TransferEvent>({ type: 'lost' }),
  );

  it('what is lost while it is on offer is fetched again; whoever was offered it is not offered it twice', () => {
    const { transfer, effects } = run(begun(), [{ type: 'allowed' }, fetched, room, has(P1), { type: 'lost' }]);
    expect(transfer).to.include({ state: 'fetching', notBefore: 0 });
    expect(transfer.destinations.map(({ state }) => state)).to.deep.equal(['done', 'offered', 'offered']);
    const again = run(transfer, [{ type: 'lost' }, fetched, room]);
    expect(again.transfer).to.include({ state: 'offered', fetches: 2 });
    expect([...effects, ...again.effects].filter((effect) => effect.do === 'offer')).to.have.length(1);
  });

  it('property: nobody is offered what is not here whole, each at most once, and it is reported exactly once', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
        let transfer = begun();
        const offered: string[] = [];
        let reports = 0;
        for (const event of events) {
          const next = step(transfer, event, 1000);
          for (const effect of next.effects) {
            if (effect.do === 'offer') {
              expect(transfer.state).to.equal('offered');
              offered.push(...effect.to);
            }
            if (effect.do === 'report') reports += 1;
          }
          transfer = next.transfer;
        }
        expect(new Set(offered).size).to.equal(offered.length);
        expect(reports).to.equal(transfer.state === 'finished' ? 1 : 0);
      }),
    );
  });
});
