import { jsonOf, readContent } from '@backhaul/envelope';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import { DeadLetters } from '../src/dead-letters/dead-letters.ts';
import type { ArrivedMessage, HandleResult, ServiceModule } from '../src/index.ts';
import { readLedger } from '../src/queries/ledger.ts';
import { Arrival } from '../src/receiver/arrival.ts';
import { FAULTS_BEFORE_DEAD_LETTER } from '../src/receiver/refusals.ts';
import type { Transaction } from '../src/store/database.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const ACCEPTED = { accepted: true };
const LONGEST_WAIT_MS = 60_000;

/** Chokes on messages of one subclass, until it is repaired. */
class Choking implements ServiceModule {
  readonly name = 'choking';
  readonly subscriptions = [{ class: 'x-food' }];
  readonly migrations = [{ owner: 'choking', version: 1, statements: () => ['CREATE TABLE "eaten" ("id" TEXT)'] }];
  isRepaired = false;
  answer: HandleResult;

  async handle(tx: Transaction, { header }: ArrivedMessage): Promise<HandleResult> {
    await tx.run('INSERT INTO "eaten" VALUES (?)', [[header.id]]);
    if (header.subclass === 'stone' && !this.isRepaired) throw new Error('a stone');
    return header.subclass === 'refused' ? this.answer : undefined;
  }
}

describe('Dead letters', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxies: string[];
  const clock = new FakeClock(Date.now());
  const choking = new Choking();
  before(async () => {
    test = await TestAppserver.create({ modules: [choking], clock });
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
  });
  after(() => test.stop());
  beforeEach(() => {
    choking.isRepaired = false;
  });

  let epochs = 0;
  const sender = () => new Sender(proxies[0]!, (++epochs).toString(16).padStart(16, '0'));
  const food = (source: Sender, subclass = 'stone', eventKey?: string) =>
    source.data({}, { class: 'x-food', subclass, ...(eventKey === undefined ? {} : { eventKey }) });
  const eaten = async (id: string) =>
    (await test.appserver.database.read('SELECT 1 FROM "eaten" WHERE "id" = ?', [id])).length;
  const line = async (source: Sender) =>
    (await readLedger(test.queries, source.id, { limit: 500 }, test.ledgerAround)).items.find(
      ({ epoch }) => epoch === source.epoch,
    )!;
  const letters = async (state = 'waiting') => (await test.api('GET', `/dead-letters?state=${state}`)).body.items;
  const letterOf = async (id: string) => (await letters()).find((letter: { id: string }) => letter.id === id);
  /** sends it until it is set aside; the waits told on the way */
  const failOn = async (message: ReturnType<typeof food>, times = FAULTS_BEFORE_DEAD_LETTER) => {
    const waits: (number | undefined)[] = [];
    for (let n = 0; n < times; n++) {
      const [verdict] = await test.accept(mlm, message);
      if (verdict!.accepted) break;
      waits.push(verdict!.waitMs);
      await clock.advance(LONGEST_WAIT_MS);
    }
    return waits;
  };

  it('the tenth fault on a message sets it aside in the commit that accepts it; others pass it all the while', async () => {
    const source = sender();
    const poison = food(source);
    const [first, other] = await test.accept(mlm, poison, food(source, 'bread'));
    expect([first!.code, other]).to.deep.equal(['BH-E-MODULE', ACCEPTED]);
    await clock.advance(1_000);
    const waits = await failOn(poison);
    expect(waits).to.deep.equal([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(await letterOf(poison.header.id)).to.include({
      module: 'choking',
      faults: 10,
      source: source.id,
      site: 'site-a',
    });
    expect(await line(source)).to.include({ delivered: 1, deadLetter: 1, unexplained: 0 });
    expect(await eaten(poison.header.id)).to.equal(0);
    expect(await test.accept(mlm, poison), 'sent again because the answer was lost').to.deep.equal([ACCEPTED]);
    expect((await letters()).filter(({ id }: { id: string }) => id === poison.header.id)).to.have.length(1);
    const report = test.appserver.services.modules.report().find(({ name }) => name === 'choking');
    expect(report!.state, 'one message takes no module out').to.equal('running');
  });

  it('one that is tried too soon is told the rest of its wait, and not tried; faults are counted over a restart', async () => {
    const message = food(sender());
    await failOn(message, 5);
    await test.accept(mlm, message);
    const faults = () => test.appserver.services.modules.report().find(({ name }) => name === 'choking')!.faults;
    const before = faults();
    await clock.advance(10_000);
    expect((await test.accept(mlm, message))[0]).to.include({ code: 'BH-E-MODULE', waitMs: 22_000 });
    expect(faults()).to.equal(before);
    await test.restart();
    expect(await failOn(message)).to.have.length(3);
    expect(await letterOf(message.header.id)).to.include({ faults: 10 });
  });

  it('replayed, a message goes to the modules again and counts as delivered; failing again it stays', async () => {
    const source = sender();
    const message = food(source, 'stone', 'food/1');
    await failOn(message);
    const { number } = await letterOf(message.header.id);
    const failed = await test.api('POST', `/dead-letters/${number}/replay`, {});
    expect([failed.status, failed.body.code]).to.deep.equal([500, 'BH-E-MODULE']);
    expect(await letterOf(message.header.id)).to.include({ faults: 11 });
    choking.isRepaired = true;
    const { body } = await test.api('POST', `/dead-letters/${number}/replay`, {});
    expect(body).to.deep.equal({ id: message.header.id, outcome: 'delivered' });
    expect(await eaten(message.header.id)).to.equal(1);
    expect(await line(source)).to.include({ delivered: 1, deadLetter: 0, unexplained: 0 });
    expect((await test.api('GET', `/messages/${message.header.id}`)).status).to.equal(200);
    expect(await test.accept(mlm, message, food(sender(), 'stone', 'food/1'))).to.deep.equal([ACCEPTED, ACCEPTED]);
    expect(await eaten(message.header.id)).to.equal(1);
    expect((await test.api('POST', `/dead-letters/${number}/replay`, {})).body.code).to.equal('BH-E-NOT-FOUND');
  });

  it('replayed after the event was told by another message, it has no second effect', async () => {
    const source = sender();
    const message = food(source, 'stone', 'food/2');
    await failOn(message);
    const { number } = await letterOf(message.header.id);
    choking.isRepaired = true;
    await test.accept(mlm, food(sender(), 'stone', 'food/2'));
    const { body } = await test.api('POST', `/dead-letters/${number}/replay`, {});
    expect(body.outcome).to.equal('duplicate');
    expect(await eaten(message.header.id)).to.equal(0);
    expect(await line(source)).to.include({ duplicate: 1, deadLetter: 0, unexplained: 0 });
  });

  it('one can be read, and discarded with a reason, which is kept; the ledger goes on saying dead letter', async () => {
    const source = sender();
    const message = food(source);
    await failOn(message);
    const { number } = await letterOf(message.header.id);
    const shown = (await test.api('GET', `/dead-letters/${number}`)).body;
    expect(shown).to.deep.include({ id: message.header.id, detail: 'a stone', state: 'waiting' });
    expect(shown.header.sequence).to.equal(message.header.sequence);
    expect(shown.content).to.include({ type: 'data' });
    expect((await test.api('POST', `/dead-letters/${number}/discard`, {})).body.code).to.equal('BH-E-SCHEMA');
    await test.api('POST', `/dead-letters/${number}/discard`, { reason: 'stones are no food' });
    expect(await letterOf(message.header.id)).to.equal(undefined);
    const discarded = await letters('discarded');
    expect(discarded.at(-1)).to.include({ number, reason: 'stones are no food' });
    const behind = await test.api('GET', `/dead-letters?state=discarded&after=${number}`);
    expect(behind.body.items).to.deep.equal([]);
    expect(await line(source)).to.include({ deadLetter: 1, unexplained: 0 });
    expect((await test.api('GET', '/dead-letters/999999')).body.code).to.equal('BH-E-NOT-FOUND');
  });

  it('a component is asked for its own, and told what to do, by commands', async () => {
    const at = `/components/${proxies[1]}/dead-letters`;
    const sent = [
      await test.api('POST', at, { after: 3 }),
      await test.api('POST', `${at}/4/read`, {}),
      await test.api('POST', `${at}/4/replay`, {}),
      await test.api('POST', `${at}/4/discard`, { reason: 'old' }),
    ];
    expect(sent.map(({ status }) => status)).to.deep.equal([202, 202, 202, 202]);
    const shown = await Promise.all(sent.map(({ body }) => test.api('GET', `/commands/${body.id}`)));
    expect(shown.map(({ body }) => [body.command, body.members[0].component])).to.deep.equal(
      ['list-dead-letters', 'read-dead-letter', 'replay-dead-letter', 'discard-dead-letter'].map((command) => [
        command,
        proxies[1],
      ]),
    );
    const page = await test.appserver.mailboxes.read(mlm, { maxMessages: 100, maxBytes: 1_000_000 });
    const bodies = page.messages.slice(-4).map(({ body }) => jsonOf(readContent(Buffer.from(body)) as never));
    expect(bodies.map((body) => (body as { parameters: object }).parameters)).to.deep.equal([
      { after: 3 },
      { number: 4 },
      { number: 4 },
      { number: 4, reason: 'old' },
    ]);
    expect((await test.api('POST', '/components/nobody/dead-letters', {})).body.code).to.equal('BH-E-TARGET');
  });

  it('past the bound the oldest makes room, and it is said so', async () => {
    const { database } = test.appserver;
    const { deadLetters } = test.appserver.services;
    const bounded = new DeadLetters({ ...deadLetters.options, bounds: { messages: 2, bytes: 1_000_000 } });
    const source = sender();
    const arrivals = [1, 2, 3].map(() => {
      const arrival = new Arrival(food(source), clock.now());
      const fault = { module: 'choking', code: 'BH-E-MODULE', detail: 'a stone', faults: 10, firstAt: 1 } as const;
      arrival.setAside({ kind: 'dead-letter', ...fault });
      return arrival;
    });
    for (const { number } of await letters()) await deadLetters.discard(number, 'out of the way');
    await database.transaction((tx) => bounded.add(tx, mlm, arrivals));
    const ids = arrivals.map(({ header }) => header.id);
    expect((await letters()).map(({ id }: { id: string }) => id)).to.deep.equal(ids.slice(1));
    expect((await letters('discarded')).at(-1)).to.include({ id: ids[0], reason: 'no room: it was the oldest' });
  });

  it('what cannot be stored is set aside by its sender when it cannot be kept here either', async () => {
    const source = sender();
    const unstorable = { ...food(source, 'bread'), headerBytes: {} as Uint8Array };
    const waits = await failOn(unstorable, 9);
    expect(waits).to.have.length(9);
    expect((await test.accept(mlm, unstorable))[0]).to.include({
      accepted: false,
      code: 'BH-E-MODULE',
      retryable: false,
    });
    expect(await line(source)).to.equal(undefined);
  });

  it('a final refusal is remembered: whoever asks again hears the same, after a restart too', async () => {
    const message = food(sender(), 'refused');
    choking.answer = { refuse: 'BH-E-FORBIDDEN', detail: 'not today' };
    const [first] = await test.accept(mlm, message);
    expect(first).to.include({ accepted: false, code: 'BH-E-FORBIDDEN', retryable: false });
    choking.answer = undefined;
    expect(await test.accept(mlm, message)).to.deep.equal([first]);
    await test.restart();
    expect(await test.accept(mlm, message)).to.deep.equal([first]);
    expect(await eaten(message.header.id)).to.equal(0);
  });
});
