import { expect } from 'chai';
import { SharedBlocks } from '../src/shared-blocks.ts';

describe('blocks that transfers share', () => {
  let reads: string[];
  const blocks = (most: number) => {
    reads = [];
    return new SharedBlocks(8, most);
  };
  const reading = (key: string) => async (buffer: Buffer) => {
    reads.push(key);
    buffer.fill(key);
    return 8;
  };

  it('are read once for all who are at the same place', async () => {
    const shared = blocks(2);
    const taken = [shared.take('a', reading('a'))!, shared.take('a', reading('a'))!];
    for (const { bytes, release } of taken) {
      expect((await bytes).toString()).to.equal('aaaaaaaa');
      release();
    }
    expect((await shared.take('a', reading('a'))!.bytes).toString(), 'and while nobody needs the buffer').to.equal(
      'aaaaaaaa',
    );
    expect(reads).to.deep.equal(['a']);
  });

  it('are never used for another place while somebody sends them, or while they are being read', async () => {
    const shared = blocks(2);
    const [a, b] = [shared.take('a', reading('a'))!, shared.take('b', reading('b'))!];
    expect(shared.take('c', reading('c'))).to.equal(undefined);
    b.release(); // not read yet
    expect(shared.take('c', reading('c'))).to.equal(undefined);
    const [bytesOfA] = [await a.bytes, await b.bytes];
    a.release();
    a.release(); // of no effect
    const again = shared.take('a', reading('a'))!;
    expect((await shared.take('c', reading('c'))!.bytes).toString()).to.equal('cccccccc');
    expect(bytesOfA.toString()).to.equal('aaaaaaaa');
    again.release();
    expect(reads).to.deep.equal(['a', 'b', 'c']);
  });

  it('tell all who wait that they could not be read, and are read again for the next', async () => {
    const shared = blocks(1);
    const failing = async () => Promise.reject(new Error('EIO'));
    const taken = [shared.take('a', failing)!, shared.take('a', failing)!];
    const outcomes = await Promise.allSettled(taken.map(({ bytes }) => bytes));
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    for (const { release } of taken) release();
    expect((await shared.take('a', reading('a'))!.bytes).toString()).to.equal('aaaaaaaa');
  });
});
