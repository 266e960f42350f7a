import { expect } from 'chai';
import { compareTotals, type Effect, faultsOf, type Sent } from './total-queue.ts';

const place = (sequence: number) => ({ source: 'p1', epoch: 'e', lane: 4, sequence });
const sent = (turn: number, change: Partial<Sent> = {}): Sent => ({
  uid: `u${turn}`,
  sha256: `h${turn}`,
  outcome: 'accepted',
  id: `m${turn}`,
  place: place(turn),
  sender: 's',
  turn,
  ...change,
});
const effect = (turn: number, change: Partial<Effect> = {}): Effect => ({
  uid: `u${turn}`,
  id: `m${turn}`,
  sha256: `h${turn}`,
  ...change,
});
const nothing = () => undefined;
const WELL = { lost: 0, duplicated: 0, phantom: 0, altered: 0, disordered: 0 };

describe('Total queue', () => {
  it('is content when what was accepted came out', () => {
    const verdict = compareTotals([sent(1), sent(2)], [effect(2), effect(1)], nothing);
    expect(faultsOf(verdict)).to.deep.equal(WELL);
    expect(verdict).to.include({ sent: 2, accepted: 2, delivered: 2 });
  });

  it('I1: what was accepted and did not come out is lost, unless a receipt says why', () => {
    const verdict = compareTotals([sent(1), sent(2)], [], ({ sequence }) => (sequence === 2 ? 'expired' : undefined));
    expect(verdict.lost).to.deep.equal(['u1']);
    expect(verdict.explained).to.deep.equal({ expired: 1 });
  });

  it('takes what was never answered as it comes, but once', () => {
    const unanswered = { uid: 'u1', sha256: 'h1', outcome: 'unknown', sender: 's', turn: 1 } as const;
    expect(faultsOf(compareTotals([unanswered], [], nothing))).to.deep.equal(WELL);
    expect(compareTotals([unanswered], [effect(1)], nothing).deliveredUnanswered).to.equal(1);
    const twice = compareTotals([unanswered], [effect(1), effect(1, { id: 'other' })], nothing);
    expect(twice.duplicated).to.deep.equal(['u1']);
  });

  it('I2: what came out twice is duplicated, by whatever id', () => {
    expect(compareTotals([sent(1)], [effect(1), effect(1)], nothing).duplicated).to.deep.equal(['u1']);
    expect(compareTotals([sent(1)], [effect(1), effect(1, { id: 'x' })], nothing).duplicated).to.deep.equal(['u1']);
  });

  it('I3: a lane in which a later message has the earlier place is disordered', () => {
    const verdict = compareTotals([sent(1, { place: place(2) }), sent(2, { place: place(1) })], [], () => 'expired');
    expect(verdict.disordered).to.deep.equal(['u2']);
    const epochs = [sent(1, { place: place(2) }), sent(2, { place: { ...place(1), epoch: 'f' } })];
    expect(compareTotals(epochs, [], () => 'expired').disordered).to.deep.equal([]);
  });

  it('I4: other bytes are altered, and what nobody handed in is a phantom', () => {
    expect(compareTotals([sent(1)], [effect(1, { sha256: 'other' })], nothing).altered).to.deep.equal(['u1']);
    expect(compareTotals([sent(1)], [effect(1), effect(9)], nothing).phantom).to.deep.equal(['m9']);
    expect(compareTotals([sent(1), sent(2)], [effect(1, { uid: 'u2' })], () => 'x').altered).to.deep.equal(['u1']);
  });
});
