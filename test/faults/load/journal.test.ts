import { join } from 'node:path';
import { temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { Journal, readJournal } from './journal.ts';

describe('Journal of the load', () => {
  it('gives each message with how it was answered at last, and its turn', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'journal');
    const journal = new Journal(path);
    journal.write({
      t: 'intent',
      sender: 's',
      turn: 5,
      items: [
        ['a', 'ha'],
        ['b', 'hb'],
        ['c', 'hc'],
      ],
    });
    journal.write({ t: 'accepted', source: 'p1', epoch: 'e', items: [['b', 'id-b', 4, 9]] });
    journal.write({ t: 'refused', items: ['c'] });
    journal.write({ t: 'command', id: 'k', members: ['p1', 'p2'] });
    const { sent, commands } = readJournal(path);
    expect(sent.map(({ uid, outcome, turn }) => `${uid} ${outcome} ${turn}`)).to.deep.equal([
      'a unknown 5',
      'b accepted 6',
      'c refused 7',
    ]);
    expect(sent[1]).to.deep.include({ id: 'id-b', place: { source: 'p1', epoch: 'e', lane: 4, sequence: 9 } });
    expect(commands).to.deep.equal([{ id: 'k', members: ['p1', 'p2'] }]);
  });
});
