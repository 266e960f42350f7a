import { BackhaulError } from '@backhaul/runtime';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { commitChanges, type Op, type Store, stagedChange } from '../store.ts';
import { codeOf } from './samples.ts';

export interface StoreSubject {
  readonly store: Store;
  /** stops it, and starts another one over what was written */
  reopen(): Promise<StoreSubject>;
  /** stops it, and removes what it wrote */
  close(): Promise<void>;
}

const put = (key: string, text: string): Op => ({ type: 'put', key, value: Buffer.from(text) });
const del = (key: string): Op => ({ type: 'del', key });

export function storeContract(name: string, makeSubject: () => Promise<StoreSubject>): void {
  describe(`${name} is a Store`, () => {
    let subject: StoreSubject;
    beforeEach(async () => {
      subject = await makeSubject();
    });
    afterEach(() => subject.close());

    const text = async (key: string): Promise<string | undefined> => {
      const value = await subject.store.get(key);
      return value === undefined ? undefined : Buffer.from(value).toString();
    };
    const keys = async (prefix: string, options?: { after?: string; limit?: number }): Promise<string[]> => {
      const found: string[] = [];
      for await (const [key] of subject.store.scan(prefix, options)) found.push(key);
      return found;
    };

    it('reads what was committed, in both ways', async () => {
      await subject.store.commit([put('a/1', 'one'), put('a/2', '')]);
      expect(await text('a/1')).to.equal('one');
      expect(await text('a/2')).to.equal('');
      expect(await text('a/3')).to.equal(undefined);
      expect(Buffer.from(subject.store.getSync('a/1')!).toString()).to.equal('one');
      expect(subject.store.getSync('a/3')).to.equal(undefined);
    });

    it('commits all operations of a call or none, the later one of a key counts', async () => {
      await subject.store.commit([put('a', '1'), put('b', '1'), del('a')]);
      expect(await text('a')).to.equal(undefined);
      expect(await text('b')).to.equal('1');
    });

    it('commits in the order of the calls, several in one sync', async () => {
      const commits = Array.from({ length: 50 }, (_, n) => subject.store.commit([put('a', String(n))]));
      await Promise.all(commits);
      expect(await text('a')).to.equal('49');
      expect(subject.store.stats().commits).to.equal(50);
      expect(subject.store.stats().syncs).to.be.within(1, 10);
    });

    it('a commit without operations ends when the earlier ones have', async () => {
      const order: string[] = [];
      const first = subject.store.commit([put('a', '1')]).then(() => order.push('first'));
      const second = subject.store.commit([]).then(() => order.push('second'));
      await Promise.all([first, second]);
      expect(order).to.deep.equal(['first', 'second']);
      await subject.store.commit([]);
    });

    it('scans a prefix in key order, after a key, up to a limit', async () => {
      await subject.store.commit(['p/3', 'p/1', 'q/1', 'p/2', 'o/9', 'p0'].map((key) => put(key, key)));
      expect(await keys('p/')).to.deep.equal(['p/1', 'p/2', 'p/3']);
      expect(await keys('p/', { after: 'p/1' })).to.deep.equal(['p/2', 'p/3']);
      expect(await keys('p/', { after: 'p/1', limit: 1 })).to.deep.equal(['p/2']);
      expect(await keys('x/')).to.deep.equal([]);
    });

    it('scans more keys than one page holds', async () => {
      const many = Array.from({ length: 300 }, (_, n) => `p/${String(n).padStart(4, '0')}`);
      await subject.store.commit(many.map((key) => put(key, key)));
      expect(await keys('p/')).to.deep.equal(many);
    });

    it('keeps what was committed when it is opened again', async () => {
      await subject.store.commit([put('a', '1')]);
      subject = await subject.reopen();
      expect(await text('a')).to.equal('1');
      expect(subject.store.findings()).to.deep.equal([]);
    });

    it('takes nothing when it is stopped, and stops twice', async () => {
      await subject.store.stop();
      await subject.store.stop();
      expect(subject.store.state).to.equal('closed');
      expect(await codeOf(() => subject.store.commit([put('a', '1')]))).to.equal('BH-E-SPOOL-STOPPED');
      expect(await codeOf(() => subject.store.get('a'))).to.equal('BH-E-SPOOL-STOPPED');
      subject = await subject.reopen();
    });

    it('finishes what was asked for before it stops', async () => {
      const commit = subject.store.commit([put('a', '1')]);
      subject = await subject.reopen();
      await commit;
      expect(await text('a')).to.equal('1');
    });

    const opened = async (): Promise<void> => {
      while (subject.store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
    };

    it('is reopened when told to: nothing is taken before everybody has loaded again, what was asked for is refused or written', async () => {
      let loads = 0;
      subject.store.onReopened(async () => {
        loads += 1;
        expect(await codeOf(() => subject.store.commit([put('b', '1')]))).to.equal('BH-E-SPOOL-STOPPED');
        expect(await text('a')).to.equal('1');
      });
      await subject.store.commit([put('a', '1')]);
      const underWay = subject.store.commit([put('c', '1')]).then(
        () => '1',
        () => undefined,
      );
      subject.store.reopen(new Error('a bug'));
      subject.store.reopen(new Error('again'));
      expect(subject.store.state).to.equal('recovering');
      expect(await codeOf(() => subject.store.commit([put('b', '1')]))).to.equal('BH-E-SPOOL-STOPPED');
      await opened();
      expect(await text('c')).to.equal(await underWay);
      await subject.store.commit([put('b', '2')]);
      expect(await text('b')).to.equal('2');
      expect({ loads, recoveries: subject.store.stats().recoveries }).to.deep.equal({ loads: 1, recoveries: 1 });
      expect(subject.store.findings()).to.deep.equal([]);
    });

    it('is reopened when one of the changes of a commit throws: those before it count for nothing', async () => {
      let counted = 0;
      subject.store.onReopened(async () => void (counted = 0));
      const one = stagedChange(() => {
        counted += 1;
        return [put('a', '1')];
      });
      const broken = stagedChange(() => {
        throw new BackhaulError('BH-E-INTERNAL', { detail: 'a bug' });
      });
      expect(await codeOf(() => commitChanges(subject.store, [one, broken]))).to.equal('BH-E-INTERNAL');
      await opened();
      expect({ counted, onDisk: await text('a') }).to.deep.equal({ counted: 0, onDisk: undefined });
    });

    it('stops while it is being reopened', async () => {
      subject.store.reopen(new Error('a bug'));
      subject = await subject.reopen();
      await subject.store.commit([put('a', '1')]);
    });
  });
}
