import { expect } from 'chai';
import fc from 'fast-check';
import { type Epochs, heard, knowledgeOf, newest } from '../src/receiver/epochs.ts';

const told = (...names: string[]): Epochs =>
  names.reduce<Epochs>((epochs, name) => heard(epochs, name.replace('~', ''), !name.startsWith('~')), []);

describe('Epochs', () => {
  it('are kept in the order of appearance; hearing again changes nothing', () => {
    const epochs = told('a', 'b');
    expect(epochs.map(({ epoch, ordinal }) => [epoch, ordinal])).to.deep.equal([
      ['a', 1],
      ['b', 2],
    ]);
    expect(heard(epochs, 'a', true)).to.equal(epochs);
    expect(heard(epochs, 'a', false)).to.equal(epochs);
  });

  it('only a later one of the source itself supersedes', () => {
    const superseded = (epochs: Epochs, epoch: string) => {
      const { newest: latest, known } = knowledgeOf(epochs, epoch);
      return known && latest !== undefined && latest !== epoch;
    };
    expect(superseded(told('a', 'b'), 'a')).to.equal(true);
    expect(superseded(told('a', '~b'), 'a')).to.equal(false);
    expect(superseded(told('~a', 'b'), 'a')).to.equal(true);
    expect(superseded(told('a', 'b'), 'b')).to.equal(false);
    expect(superseded(told('~a', '~b'), 'a')).to.equal(false);
    expect(superseded(told('a', 'b'), 'new')).to.equal(false);
  });

  it('an older one that appears late through another hop leaves the source’s own the newest, beside it', () => {
    expect([...newest(told('~a', 'b'))]).to.deep.equal(['b']);
    expect([...newest(told('b', '~a'))]).to.deep.equal(['b', 'a']);
    expect([...newest(told('~a', '~b'))]).to.deep.equal(['b']);
    expect([...newest([])]).to.deep.equal([]);
  });

  it('the newest is never superseded, and whoever speaks last in a new epoch is the newest', () => {
    const name = fc.constantFrom('a', 'b', 'c', '~a', '~b', '~c');
    fc.assert(
      fc.property(fc.array(name), (names) => {
        const epochs = told(...names);
        for (const epoch of newest(epochs)) expect(knowledgeOf(epochs, epoch).newest).to.equal(epoch);
        expect([...newest(heard(epochs, 'new', true))]).to.deep.equal(['new']);
        expect(epochs.map(({ ordinal }) => ordinal)).to.deep.equal(epochs.map((_, index) => index + 1));
      }),
    );
  });
});
