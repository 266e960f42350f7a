import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import { LineTurns } from '../src/line-turns.ts';

/** Turns on a line, with what happens written down. */
function line() {
  const clock = new FakeClock();
  const state = { wanted: false, freed: 0, seen: [] as string[] };
  const turns = new LineTurns({ clock, isWanted: () => state.wanted, onFree: () => (state.freed += 1) });
  const never = new AbortController().signal;
  /** A piece that is there after its end was asked for; the name is seen when it may go. */
  const piece = (name: string, signal = never) =>
    turns.piece(signal).then((end) => {
      state.seen.push(name);
      return end;
    });
  return { clock, state, turns, piece };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

describe('turns on a thin line', () => {
  it('a piece goes at once when nothing is under way, and envelopes wait until it has come', async () => {
    const { turns, piece, state } = line();
    expect(turns.isTaken).to.equal(false);
    const ended = await piece('a');
    expect(turns.isTaken).to.equal(true);
    ended();
    ended();
    expect(turns.isTaken).to.equal(false);
    expect(state.freed, 'once').to.equal(1);
  });

  it('a piece waits for the envelopes under way, and no other envelope goes before it', async () => {
    const { turns, piece, state } = line();
    const answered = [turns.envelope(), turns.envelope()];
    expect(turns.isTaken, 'nobody else wants the line').to.equal(false);
    void piece('a');
    expect(turns.isTaken).to.equal(true);
    answered[0]!();
    await soon();
    expect(state.seen).to.deep.equal([]);
    answered[1]!();
    expect(turns.isTaken, 'without a moment between').to.equal(true);
    await soon();
    expect(state.seen).to.deep.equal(['a']);
  });

  it('after a piece an envelope is next, if there is one to go', async () => {
    const { turns, piece, state } = line();
    state.wanted = true;
    (await piece('a'))();
    void piece('b');
    await soon();
    expect(turns.isTaken).to.equal(false);
    const answered = turns.envelope();
    await soon();
    expect(state.seen).to.deep.equal(['a']);
    answered();
    await soon();
    expect(state.seen).to.deep.equal(['a', 'b']);
  });

  it('an envelope that does not go within a second is not waited for', async () => {
    const { clock, piece, state } = line();
    state.wanted = true;
    (await piece('a'))();
    void piece('b');
    await clock.advance(999);
    expect(state.seen).to.deep.equal(['a']);
    await clock.advance(1);
    expect(state.seen).to.deep.equal(['a', 'b']);
  });

  it('where nothing is to be sent one piece follows the other', async () => {
    const { piece, state } = line();
    for (const name of ['a', 'b', 'c']) (await piece(name))();
    expect(state.seen).to.deep.equal(['a', 'b', 'c']);
  });

  it('several artifacts take turns', async () => {
    const { piece, state } = line();
    const [first, second, third] = [piece('a'), piece('b'), piece('c')];
    (await first)();
    void piece('a again');
    (await second)();
    (await third)();
    await soon();
    expect(state.seen).to.deep.equal(['a', 'b', 'c', 'a again']);
  });

  it('a piece that stalls holds nobody up for longer than ten seconds', async () => {
    const { clock, turns, piece, state } = line();
    const ended = await piece('a');
    await clock.advance(9_999);
    expect(turns.isTaken).to.equal(true);
    await clock.advance(1);
    expect([turns.isTaken, state.freed]).to.deep.equal([false, 1]);
    ended();
    expect(state.freed, 'its end is of no consequence').to.equal(1);
  });

  it('who is told to stop does not wait for a turn', async () => {
    const { turns, piece, state } = line();
    turns.envelope();
    const control = new AbortController();
    const waiting = piece('a', control.signal);
    control.abort();
    (await waiting)();
    (await piece('b', AbortSignal.abort()))();
    expect(state.seen).to.deep.equal(['a', 'b']);
    expect(turns.isTaken).to.equal(false);
  });

  it('leaves no timer behind', async () => {
    const { clock, turns, piece, state } = line();
    state.wanted = true;
    (await piece('a'))();
    turns.envelope()();
    (await piece('b'))();
    turns.envelope()();
    expect(clock.pending).to.equal(0);
  });
});
