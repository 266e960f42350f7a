import { commitChanges, LevelMailboxes, MemoryStore } from '@backhaul/spool';
import { codeOf, sampleMessage } from '@backhaul/spool/contract';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';

const ALL = { maxMessages: 1_000, maxBytes: 1e9 };
const OWNERS = ['o.p1', 'o.p2', 'o.p3'];

describe('LevelMailboxes', () => {
  let store: MemoryStore;
  const clock = new FakeClock(1_000);
  beforeEach(async () => {
    store = new MemoryStore();
    await store.start();
  });
  afterEach(() => store.stop());

  const make = async (quotas: { quotaBytes?: number; quotaMessages?: number } = {}): Promise<LevelMailboxes> => {
    const random = seededRandom(3);
    const boxes = new LevelMailboxes({
      store,
      clock,
      random,
      prefix: 'down',
      quotaBytes: 1e6,
      quotaMessages: 100,
      ...quotas,
    });
    await boxes.load();
    return boxes;
  };
  const put = (boxes: LevelMailboxes, owners = OWNERS, body = Buffer.from('body')): Promise<void> =>
    commitChanges(store, [boxes.stagePut(owners, sampleMessage({ body }))]);
  const keys = async (prefix: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const [key] of store.scan(prefix)) found.push(key);
    return found;
  };

  it('S5: one copy for all owners, gone with the last of them', async () => {
    const boxes = await make();
    await put(boxes);
    expect(await keys('down/b/')).to.have.length(1);
    for (const [n, owner] of OWNERS.entries()) {
      const page = await boxes.read(owner, ALL);
      await boxes.acknowledge(owner, page.epoch, page.through);
      expect(await keys('down/b/')).to.have.length(n === 2 ? 0 : 1);
    }
    expect(await keys('down/o/')).to.deep.equal([]);
  });

  it('an owner named twice gets it once', async () => {
    const boxes = await make();
    await put(boxes, ['o.p1', 'o.p1']);
    expect((await boxes.read('o.p1', ALL)).messages).to.have.length(1);
  });

  it('T-A35: quotas per owner are refused before anything is written', async () => {
    const boxes = await make({ quotaMessages: 2, quotaBytes: 1_000 });
    await put(boxes, ['o.p1']);
    await put(boxes, ['o.p1']);
    expect(boxes.hasRoom('o.p1', 1)).to.equal(false);
    expect(await codeOf(() => boxes.stagePut(['o.p2', 'o.p1'], sampleMessage()))).to.equal('BH-E-SPOOL-FULL');
    expect(await codeOf(() => boxes.stagePut(['o.p3'], sampleMessage({ body: Buffer.alloc(1_000) })))).to.equal(
      'BH-E-SPOOL-FULL',
    );
    expect(boxes.depth('o.p2').messages).to.equal(0);
    store.accepting = false;
    expect(await codeOf(() => boxes.stagePut(['o.p3'], sampleMessage()))).to.equal('BH-E-SPOOL-FULL');
  });

  it('is not readable, and wakes nobody, before it is on disk', async () => {
    const boxes = await make();
    const change = boxes.stagePut(['o.p1'], sampleMessage());
    const commit = store.commit(change.ops);
    expect((await boxes.read('o.p1', ALL)).messages).to.deep.equal([]);
    await commit;
    expect((await boxes.read('o.p1', ALL)).messages).to.deep.equal([]);
    change.applied();
    expect((await boxes.read('o.p1', ALL)).messages).to.have.length(1);
  });

  it('an acknowledgement does not cover what was past its time and not handed out: expiry tells its outcome', async () => {
    const boxes = await make();
    await commitChanges(store, [boxes.stagePut(['o.p1'], sampleMessage({ id: 'late', expiresAt: clock.now() + 10 }))]);
    await put(boxes, ['o.p1']);
    await clock.advance(20);
    const page = await boxes.read('o.p1', ALL);
    expect(page.messages.map(({ number }) => number)).to.deep.equal([2]);
    await boxes.acknowledge('o.p1', page.epoch, 2);
    const { removed, change } = boxes.expire(clock.now());
    expect(removed).to.deep.equal([{ owner: 'o.p1', id: 'late' }]);
    await commitChanges(store, [change]);
    expect(boxes.depth('o.p1').messages).to.equal(0);
  });

  it('S7: reports messages and references that are missing, and serves the rest', async () => {
    const boxes = await make();
    for (let n = 0; n < 4; n += 1) await put(boxes);
    const [, body] = await keys('down/b/');
    const [reference] = await keys('down/o/o.p2/');
    await store.commit([
      { type: 'del', key: body! },
      { type: 'del', key: reference! },
    ]);
    const again = await make();
    const { gaps } = await again.load();
    expect(gaps.filter((gap) => gap.startsWith('message of down/o/'))).to.have.length(3);
    expect(gaps).to.include('mailbox of o.p2 holds 2 of 4 messages');
    expect(store.findings().map(({ code }) => code)).to.include('BH-E-SPOOL-GAP');
    expect((await again.read('o.p1', ALL)).messages.map(({ number }) => number)).to.deep.equal([1, 3, 4]);
  });

  it('a message that vanishes while it waits is reported, and does not hold up the others', async () => {
    const large = await make({ quotaBytes: 1e9 });
    for (let n = 0; n < 18; n += 1) await put(large, ['o.p1'], Buffer.alloc(1 << 20)); // more than is kept in memory
    const last = (await keys('down/b/')).at(-1)!;
    await store.commit([{ type: 'del', key: last }]);
    expect((await large.read('o.p1', ALL)).messages).to.have.length(17);
    expect(store.findings()).to.have.length(1);
  });

  it('leaves nothing of an owner that is cleared but its last number', async () => {
    const boxes = await make();
    await put(boxes, ['o.p1']);
    const { change, removed } = boxes.stageClear('o.p1');
    await commitChanges(store, [change]);
    expect(removed).to.have.length(1);
    expect([...(await keys('down/b/')), ...(await keys('down/o/'))]).to.deep.equal([]);
    await put(await make(), ['o.p1']);
    expect((await (await make()).read('o.p1', ALL)).messages[0]!.number).to.equal(2);
  });

  it('has one epoch from its first message on', async () => {
    const boxes = await make();
    await put(boxes);
    expect((await make()).epoch).to.equal(boxes.epoch);
  });
});
