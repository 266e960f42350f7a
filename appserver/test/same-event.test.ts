import { silentLogger, systemClock } from '@backhaul/runtime';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import { type ArrivedMessage, appserverConfig, type ServiceModule } from '../src/index.ts';
import { readLedger } from '../src/queries/ledger.ts';
import { Retention } from '../src/store/retention.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const DAY_MS = 86_400_000;

/** Counts effects, and does what the message says. */
class Counting implements ServiceModule {
  readonly name = 'counting';
  readonly subscriptions = [{ class: 'x-count' }];
  readonly migrations = [];
  readonly effects: string[] = [];
  isFailing = false;

  async handle(_: unknown, { header }: ArrivedMessage): Promise<undefined> {
    if (this.isFailing) throw new Error('as told');
    this.effects.push(header.id);
  }
}

describe('The same event', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxies: string[];
  const clock = new FakeClock(Date.now());
  const counting = new Counting();
  before(async () => {
    test = await TestAppserver.create({ modules: [counting], clock });
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
  });
  after(() => test.stop());

  let epochs = 0;
  const sender = (id = proxies[0]!) => new Sender(id, (++epochs).toString(16).padStart(16, '0'));
  const of = (source: Sender, eventKey: string, subclass = 'one') =>
    source.data({}, { class: 'x-count', subclass, eventKey });
  const line = async (source: Sender) =>
    (await readLedger(test.queries, source.id, { limit: 500 }, test.ledgerAround)).items.find(
      ({ epoch }) => epoch === source.epoch,
    )!;
  const accepted = async (...messages: ReturnType<typeof of>[]) =>
    expect((await test.accept(mlm, ...messages)).every((verdict) => verdict.accepted)).to.equal(true);
  const isStored = async (id: string) => (await test.api('GET', `/messages/${id}`)).status === 200;

  it('is never of two machines of one proxy, whatever names make their keys equal', async () => {
    const source = sender();
    const about = (instance: string) =>
      source.data(
        {},
        { class: 'x-count', subclass: 'one', eventKey: 'snmp/rack/1/7', instance: `${source.id}.${instance}` },
      );
    const [ofRack, ofUnit] = [about('s1'), about('s2')]; // `rack`, event 1/7; `rack/1`, event 7
    await accepted(ofRack, ofUnit);
    expect(counting.effects).to.deep.equal([ofRack.header.id, ofUnit.header.id]);
    counting.effects.length = 0;
  });

  it('through two proxies has one effect; the ledger names the message that told first', async () => {
    const [one, two] = [sender(proxies[0]), sender(proxies[1])];
    const [first, second] = [of(one, 'snmp/sw-1/7'), of(two, 'snmp/sw-1/7')];
    await accepted(first);
    await accepted(second);
    await accepted(second);
    expect(counting.effects).to.deep.equal([first.header.id]);
    expect(await isStored(second.header.id)).to.equal(false);
    const account = await line(two);
    expect(account).to.include({ delivered: 0, duplicate: 1, unexplained: 0, through: 1 });
    expect(account.ranges).to.deep.equal([
      { first: 1, last: 1, fate: 'duplicate', at: test.appserver.services.self, aggregate: first.header.id },
    ]);
  });

  it('in one envelope, too; another class, subclass or site is another event', async () => {
    const before = counting.effects.length;
    const other = await test.addSite('site-other-events', 1);
    await accepted(of(sender(proxies[0]), 'k'), of(sender(proxies[1]), 'k'), of(sender(proxies[2]), 'k', 'two'));
    expect(counting.effects.length - before).to.equal(2);
    await test.accept(other.mlms[0]!, of(sender(other.proxies[0]), 'k'));
    expect(counting.effects.length - before).to.equal(3);
  });

  it('that a module could not take the first time is new the second time', async () => {
    const [one, two] = [of(sender(proxies[0]), 'late'), of(sender(proxies[1]), 'late')];
    counting.isFailing = true;
    expect((await test.accept(mlm, one))[0]!.code).to.equal('BH-E-MODULE');
    counting.isFailing = false;
    await accepted(two);
    await clock.advance(1_000);
    await accepted(one);
    expect(counting.effects.filter((id) => [one, two].some(({ header }) => header.id === id))).to.deep.equal([
      two.header.id,
    ]);
  });

  it('renumbered by a source whose store was an older copy is known by its message id', async () => {
    const [old, current] = [sender(proxies[2]), sender(proxies[2])];
    const message = old.data({}, { class: 'x-count' });
    const again = current.data({}, { class: 'x-count', id: message.header.id });
    await accepted(message);
    await accepted(current.data({}, { class: 'x-count', lane: 4 }));
    const before = counting.effects.length;
    await accepted(again);
    expect(counting.effects).to.have.length(before);
    expect(await line(current)).to.include({ unexplained: 0 });
  });

  it('renumbered is known although it is the first that is heard of the new epoch, or comes with what it repeats', async () => {
    const { proxies: fresh, mlms } = await test.addSite('site-renumbered', 2);
    const taken = async (...messages: ReturnType<typeof of>[]) =>
      expect((await test.accept(mlms[0]!, ...messages)).every((verdict) => verdict.accepted)).to.equal(true);
    const twice = (id: string) => {
      const [old, current] = [sender(id), sender(id)];
      const message = old.data({}, { class: 'x-count' });
      return [message, current.data({}, { class: 'x-count', id: message.header.id })] as const;
    };
    const [message, again] = twice(fresh[0]!);
    await taken(message);
    await taken(again);
    const together = twice(fresh[1]!);
    await taken(...together);
    for (const { header } of [message, together[0]])
      expect(counting.effects.filter((id) => id === header.id)).to.have.length(1);
    const sum = await readLedger(test.queries, fresh[1]!, { limit: 500 }, test.ledgerAround);
    expect(
      sum.items.map(({ delivered, duplicate, unexplained }) => [delivered, duplicate, unexplained]),
    ).to.have.deep.members([
      [1, 0, 0],
      [0, 1, 0],
    ]);
  });

  it('is known as long as event keys are kept; a copy that was dropped stays so when it is sent again later', async () => {
    const [one, two, three] = [sender(proxies[0]), sender(proxies[1]), sender(proxies[2])];
    const dropped = of(two, 'old');
    await accepted(of(one, 'old'), dropped);
    await test.restart();
    clock.jump(8 * DAY_MS);
    const ahead = { ...systemClock, now: () => clock.now() };
    const settings = appserverConfig.shape.retention.parse({});
    await new Retention({ database: test.appserver.database, clock: ahead, logger: silentLogger, settings }).prune();
    const before = counting.effects.length;
    await accepted(dropped);
    expect(counting.effects).to.have.length(before);
    await accepted(of(three, 'old'));
    expect(counting.effects).to.have.length(before + 1);
  });
});
