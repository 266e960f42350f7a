import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { MailboxMessage, MailboxPage, MailboxReader } from '../types.ts';
import { codeOf, sampleMessage } from './samples.ts';

export interface MailboxSubject {
  readonly mailboxes: MailboxReader;
  /** one message into the mailboxes of these owners, durably */
  put(owners: readonly string[], message: MailboxMessage): Promise<void>;
  /** removes what is past its time */
  expire(now: number): Promise<void>;
  /** sets the wall clock, which begins at 1,000 */
  setNow(now: number): void;
  /** the same mailboxes after a restart */
  reopen(): Promise<MailboxSubject>;
  close(): Promise<void>;
}

const ALL = { maxMessages: 100, maxBytes: 1_000_000 };
const FRESH = '0';

/** Runs against whatever serves mailboxes: LevelDB in an MLM, SQL in the application server. */
export function mailboxContract(name: string, makeSubject: () => Promise<MailboxSubject>): void {
  describe(`${name} serves mailboxes`, () => {
    let subject: MailboxSubject;
    beforeEach(async () => {
      subject = await makeSubject();
    });
    afterEach(() => subject.close());

    const putSome = async (count: number, owners = ['o.p1']): Promise<string[]> => {
      const messages = Array.from({ length: count }, () => sampleMessage());
      for (const message of messages) await subject.put(owners, message);
      return messages.map(({ id }) => id);
    };
    const read = (owner = 'o.p1', budget = ALL): Promise<MailboxPage> => subject.mailboxes.read(owner, budget);
    const ids = (page: MailboxPage): string[] => page.messages.map(({ id }) => id);
    const numbers = (page: MailboxPage): number[] => page.messages.map(({ number }) => number);

    it('hands everything to a fresh owner, numbered from 1, byte for byte', async () => {
      const message = sampleMessage({ header: Buffer.from([1, 0, 255]), body: Buffer.from([0, 128, 10, 13]) });
      await subject.put(['o.p1'], message);
      const [second] = await putSome(1);
      await subject.mailboxes.acknowledge('o.p1', FRESH, 0);
      const page = await read();
      expect(ids(page)).to.deep.equal([message.id, second]);
      expect(numbers(page)).to.deep.equal([1, 2]);
      expect(page.through).to.equal(2);
      expect(page.epoch).to.match(/^[0-9a-f]{16}$/);
      expect(Buffer.from(page.messages[0]!.header)).to.deep.equal(message.header);
      expect(Buffer.from(page.messages[0]!.body)).to.deep.equal(message.body);
    });

    it('B1: reading removes nothing', async () => {
      const sent = await putSome(3);
      expect(ids(await read())).to.deep.equal(sent);
      expect(ids(await read())).to.deep.equal(sent);
    });

    it('an acknowledgement removes up to its number, for its owner only', async () => {
      const sent = await putSome(3, ['o.p1', 'o.p2']);
      const { epoch } = await read();
      await subject.mailboxes.acknowledge('o.p1', epoch, 2);
      expect(ids(await read())).to.deep.equal(sent.slice(2));
      expect(numbers(await read())).to.deep.equal([3]);
      expect(ids(await read('o.p2'))).to.deep.equal(sent);
      await subject.mailboxes.acknowledge('o.p1', epoch, 2);
      await subject.mailboxes.acknowledge('o.p1', epoch, 1);
      expect(ids(await read())).to.deep.equal(sent.slice(2));
    });

    it('refuses the acknowledgement of another epoch, and keeps everything', async () => {
      const sent = await putSome(2);
      await read();
      expect(await codeOf(() => subject.mailboxes.acknowledge('o.p1', 'ffffffffffffffff', 1))).to.equal('BH-E-ACK');
      expect(ids(await read())).to.deep.equal(sent);
    });

    it('refuses the acknowledgement of what was never sent', async () => {
      await putSome(5);
      const { epoch } = await read('o.p1', { maxMessages: 2, maxBytes: 1_000 });
      expect(await codeOf(() => subject.mailboxes.acknowledge('o.p1', epoch, 3))).to.equal('BH-E-ACK');
      expect(await codeOf(() => subject.mailboxes.acknowledge('o.p9', epoch, 1))).to.equal('BH-E-ACK');
      await subject.mailboxes.acknowledge('o.p1', epoch, 2);
      expect(numbers(await read())).to.deep.equal([3, 4, 5]);
    });

    it('keeps within the budget of messages and bytes, but hands out at least one', async () => {
      for (let n = 0; n < 5; n += 1)
        await subject.put(['o.p1'], sampleMessage({ header: Buffer.alloc(10), body: Buffer.alloc(90) }));
      expect(numbers(await read('o.p1', { maxMessages: 2, maxBytes: 1_000 }))).to.deep.equal([1, 2]);
      expect(numbers(await read('o.p1', { maxMessages: 9, maxBytes: 350 }))).to.deep.equal([1, 2, 3]);
      expect(numbers(await read('o.p1', { maxMessages: 9, maxBytes: 1 }))).to.deep.equal([1]);
    });

    it('an empty mailbox says what was acknowledged', async () => {
      expect(await read('o.p7')).to.deep.include({ through: 0, messages: [] });
      await putSome(2);
      const { epoch } = await read();
      await subject.mailboxes.acknowledge('o.p1', epoch, 2);
      expect(await read()).to.deep.include({ epoch, through: 2, messages: [] });
    });

    it('numbers go on after the mailbox was emptied, and after a restart', async () => {
      await putSome(2);
      const { epoch } = await read();
      await subject.mailboxes.acknowledge('o.p1', epoch, 2);
      subject = await subject.reopen();
      await putSome(1);
      const page = await read();
      expect(page.epoch).to.equal(epoch);
      expect(numbers(page)).to.deep.equal([3]);
    });

    it('S5: everything unacknowledged is there after a restart, and may be acknowledged then', async () => {
      const sent = await putSome(4, ['o.p1', 'o.p2']);
      const { epoch } = await read();
      await subject.mailboxes.acknowledge('o.p1', epoch, 3);
      subject = await subject.reopen();
      expect(ids(await read('o.p2'))).to.deep.equal(sent);
      await subject.mailboxes.acknowledge('o.p1', epoch, 4);
      expect((await read()).messages).to.have.length(0);
      expect(ids(await read('o.p2'))).to.deep.equal(sent);
    });

    it('removes what is past its time, for every owner; the numbers of the others stay', async () => {
      await subject.put(['o.p1', 'o.p2'], sampleMessage({ expiresAt: 2_000 }));
      const [kept] = await putSome(1, ['o.p1', 'o.p2']);
      subject.setNow(3_000);
      await subject.expire(3_000);
      expect(ids(await read())).to.deep.equal([kept]);
      expect(numbers(await read('o.p2'))).to.deep.equal([2]);
    });

    it('does not hand out what is past its time', async () => {
      await subject.put(['o.p1'], sampleMessage({ expiresAt: 2_000 }));
      const [kept] = await putSome(1);
      subject.setNow(3_000);
      expect(ids(await read())).to.deep.equal([kept]);
    });

    it('wakes who waits when something arrives for them', async () => {
      const waiting = subject.mailboxes.wait('o.p1', 10_000, new AbortController().signal);
      await putSome(1);
      expect(await waiting).to.equal(true);
      expect(await subject.mailboxes.wait('o.p1', 10_000, new AbortController().signal)).to.equal(true);
    });

    it('does not wake for others, and lets go when the signal aborts', async () => {
      const abort = new AbortController();
      const waiting = subject.mailboxes.wait('o.p1', 10_000, abort.signal);
      await putSome(1, ['o.p2']);
      abort.abort();
      expect(await waiting).to.equal(false);
    });

    it('does not wait when there is no time to wait', async () => {
      expect(await subject.mailboxes.wait('o.p1', 0, new AbortController().signal)).to.equal(false);
    });
  });
}
