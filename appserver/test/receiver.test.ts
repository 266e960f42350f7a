import { FakeClock, until } from '@backhaul/testkit';
import { expect } from 'chai';
import type { ArrivedMessage, HandleResult, ServiceModule } from '../src/index.ts';
import { readLedger } from '../src/queries/ledger.ts';
import { SEEN_INTERVALS, SOURCE_EPOCHS, SOURCE_INTERVALS } from '../src/receiver/seen.ts';
import type { Transaction } from '../src/store/database.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const ACCEPTED = { accepted: true };

/** Notes every message in a table of its own, and does what the message asks for. */
class Obedient implements ServiceModule {
  readonly name = 'obedient';
  readonly subscriptions = [{ class: 'x-order' }];
  readonly migrations = [{ owner: 'obedient', version: 1, statements: () => ['CREATE TABLE "obeyed" ("id" TEXT)'] }];
  late: Promise<void> | undefined;

  async handle(tx: Transaction, { header, content }: ArrivedMessage): Promise<HandleResult> {
    await tx.run('INSERT INTO "obeyed" VALUES (?)', [[header.id]]);
    if (header.subclass === 'throw') throw new Error('as told');
    if (header.subclass === 'refuse') return { refuse: 'BH-E-SCHEMA', detail: 'as told' };
    if (header.subclass === 'note') return { note: 'as told' };
    return void content;
  }
}

describe('Receiver', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxies: string[];
  let customer: string;

  before(async () => {
    test = await TestAppserver.create({ modules: [new Obedient()] });
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
    customer = site.customer;
  });
  after(() => test.stop());

  let epochs = 0;
  const sender = (id = proxies[0]!) => new Sender(id, (++epochs).toString(16).padStart(16, '0'));
  const stored = (source: Sender) =>
    test.queries.from('messages').selectAll().where('epoch', '=', source.epoch).orderBy('number').execute();
  const notified = async (subject: string) => {
    await test.appserver.database.transaction(async () => undefined); // what was begun is through
    const { items } = (await test.api('GET', '/notifications')).body;
    return items
      .filter((item: { subject: string }) => item.subject === subject)
      .map(({ kind, severity }: Record<string, string>) => `${kind} ${severity}`);
  };
  const obeyed = async () =>
    (await test.appserver.database.read<{ id: string }>('SELECT "id" FROM "obeyed"', [])).map(({ id }) => id);

  it('stores a message once, with header, body and whose it is', async () => {
    const source = sender();
    const message = source.data({ n: 1 }, { instance: source.instance, routing: [{ id: source.id, in: 1, out: 2 }] });
    expect(await test.accept(mlm, message)).to.deep.equal([ACCEPTED]);
    const [row] = await stored(source);
    expect(row).to.include({
      id: message.header.id,
      customer,
      site: 'site-a',
      instance: source.instance,
      class: 'x-test',
      subclass: 'any',
      peer: mlm,
      sequence: 1,
    });
    expect(Buffer.from(row!.header).equals(message.headerBytes)).to.equal(true);
    expect(Buffer.from(row!.body).equals(message.body)).to.equal(true);
  });

  it('accepts what comes again, in the same envelope, a later one or at the same time, and stores it once', async () => {
    const source = sender();
    const messages = [source.data(), source.data(), source.data()];
    await test.accept(mlm, messages[0]!, messages[0]!, messages[1]!);
    const [again, together] = await Promise.all([test.accept(mlm, ...messages), test.accept(mlm, ...messages)]);
    expect([...again, ...together]).to.deep.equal(Array(6).fill(ACCEPTED));
    expect((await stored(source)).map(({ sequence }) => sequence)).to.deep.equal([1, 2, 3]);
  });

  it('knows after a restart what it has stored', async () => {
    const source = sender();
    const messages = [source.data({}, { sequence: 1 }), source.data({}, { sequence: 3 })];
    await test.accept(mlm, ...messages);
    await test.restart();
    await test.accept(mlm, ...messages, source.data({}, { sequence: 2 }));
    expect((await stored(source)).map(({ sequence }) => sequence)).to.deep.equal([1, 3, 2]);
    expect(
      test.appserver.receiver.marks(test.peer(source.id)).find(({ epoch }) => epoch === source.epoch),
    ).to.deep.include({ lane: 6, through: 3 });
  });

  it('tells the highest number it has seen, whatever is missing below', async () => {
    const source = sender();
    await test.accept(mlm, source.data({}, { sequence: 1 }), source.data({}, { sequence: 7 }));
    expect(
      test.appserver.receiver.marks(test.peer(source.id)).find(({ epoch }) => epoch === source.epoch),
    ).to.deep.include({ lane: 6, through: 7 });
  });

  it('T-A19: refuses each message whose source or subject is not below the sender, and takes the rest', async () => {
    const other = await test.addSite('site-other', 1);
    const mine = sender();
    const foreign = sender(other.proxies[0]);
    const envelope = [
      mine.data(),
      foreign.data(),
      sender('c00000000.p1').data(),
      sender(test.appserver.services.self).data(),
      mine.data({}, { instance: `${other.proxies[0]}.s1` }),
      mine.data({}, { instance: `${proxies[1]}.s1` }),
      mine.data({}, { instance: mine.instance }),
    ];
    const verdicts = await test.accept(mlm, ...envelope);
    const codes = verdicts.map(({ code }) => code ?? 'ok');
    expect(codes).to.deep.equal(['ok', 'BH-E-SPOOF', 'BH-E-SPOOF', 'BH-E-SPOOF', 'BH-E-SPOOF', 'BH-E-SPOOF', 'ok']);
    expect(await stored(foreign)).to.have.length(0);
    expect(await stored(mine)).to.have.length(2);
  });

  it('an MLM may speak of the instances of its proxies', async () => {
    const source = sender(mlm);
    expect(await test.accept(mlm, source.data({}, { instance: `${proxies[2]}.s9` }))).to.deep.equal([ACCEPTED]);
    expect((await stored(source))[0]).to.include({ customer, site: 'site-a', instance: `${proxies[2]}.s9` });
  });

  describe('epochs', () => {
    let direct: string;
    before(async () => void ([direct] = (await test.addSite('site-epochs', 1, 0)).proxies as [string]));
    const marked = (id: string) =>
      test.appserver.receiver.marks(test.peer(id)).map(({ epoch, lane, newest }) => [epoch, lane, newest]);

    it('a direct child that speaks in one it has left is refused, but for what was seen; after a restart too', async () => {
      const [old, current] = [sender(direct), sender(direct)];
      const before = old.data();
      expect(await test.accept(direct, before, old.data())).to.deep.equal([ACCEPTED, ACCEPTED]);
      expect(await test.accept(direct, current.data())).to.deep.equal([ACCEPTED]);
      const refused = { accepted: false, code: 'BH-E-EPOCH', retryable: true };
      for (const restart of [false, true]) {
        if (restart) await test.restart();
        const [again, fresh, other] = await test.accept(direct, before, old.data(), current.data());
        expect([again, other]).to.deep.equal([ACCEPTED, ACCEPTED]);
        expect(fresh).to.deep.include(refused);
      }
      expect(await stored(old)).to.have.length(2);
      expect(await stored(current)).to.have.length(3);
    });

    it('which take over from one another show two components with one identity: nothing new of either is taken', async () => {
      const [id] = (await test.addSite('site-cloned', 1, 0)).proxies as [string];
      const topics: string[] = [];
      const stop = test.appserver.bus.subscribe('component.*', ({ topic }) => topics.push(topic));
      const copies = Array.from({ length: 5 }, () => sender(id));
      for (const copy of copies) await test.accept(id, copy.data());
      const codes = [];
      for (const copy of copies.slice(0, 4)) codes.push((await test.accept(id, copy.data()))[0]!.code);
      expect(codes).to.deep.equal(['BH-E-EPOCH', 'BH-E-EPOCH', 'BH-E-EPOCH', 'BH-E-CLONE']);
      for (const copy of [copies[4]!, copies[3]!, copies[4]!])
        expect((await test.accept(id, copy.data()))[0]).to.deep.include({ code: 'BH-E-CLONE', waitMs: 60_000 });
      expect(topics).to.deep.equal(['component.cloned']);
      expect(await notified(id)).to.deep.equal(['component.cloned critical']);
      stop();
    });

    it('two processes of one identity that the exchange notices are told on the bus and to the people outside', async () => {
      const { receiver, bus, directory } = test.appserver.core;
      const { id, customer, site } = directory.tree.get(direct)!;
      const events: object[] = [];
      const stop = bus.subscribe('component.*', ({ topic, customer, body }) =>
        events.push({ topic, customer, ...body }),
      );
      for (const what of ['two-pollers', 'clone'] as const)
        receiver.twice({ ...test.peer(id), address: '10.0.0.7' }, what);
      const about = { customer, site, component: id, address: '10.0.0.7' };
      expect(events).to.deep.equal([
        { topic: 'component.two-pollers', ...about },
        { topic: 'component.cloned', ...about },
      ]);
      expect(await notified(id)).to.have.members(['component.two-pollers major', 'component.cloned critical']);
      stop();
    });

    it('what comes through another hop may be of any', async () => {
      const [old, current] = [sender(), sender()];
      for (const source of [old, current, old]) expect(await test.accept(mlm, source.data())).to.deep.equal([ACCEPTED]);
    });

    it('are told in the order of appearance, lanes in theirs; what is undone begins none', async () => {
      const [id] = (await test.addSite('site-marks', 1, 0)).proxies as [string];
      const [third, second, first] = [sender(id), sender(id), sender(id)];
      const unstorable = { ...third.data({}, { sequence: 9 }), headerBytes: {} as Uint8Array };
      const buried = { source: id, epoch: third.epoch, lane: 6, from: 2, to: 2, reason: 'expired' } as const;
      const unreadable = { ...first.receipts([buried]), headerBytes: {} as Uint8Array };
      await Promise.allSettled([test.accept(id, first.data(), first.alarm()), test.accept(id, unreadable, unstorable)]);
      await test.accept(id, second.data());
      await test.accept(id, third.data({}, { sequence: 1 }));
      const told = [first.epoch, first.epoch, second.epoch, third.epoch];
      const expected = [2, 6, 6, 6].map((lane, index) => [told[index], lane, index === 3]);
      expect(marked(id)).to.deep.equal(expected);
      await test.restart();
      expect(marked(id)).to.deep.equal(expected);
    });

    it('a receipt, or another hop, that tells of one does not make it the child’s own', async () => {
      const [old, current, through] = [sender(direct), sender(direct), sender()];
      await test.accept(direct, current.data());
      await test.accept(
        direct,
        current.receipts([{ source: direct, epoch: old.epoch, lane: 6, from: 1, to: 3, reason: 'expired' }]),
      );
      expect(await test.accept(direct, current.data())).to.deep.equal([ACCEPTED]);
      await test.accept(mlm, through.data());
      const rows = await test.queries.from('epochs').select(['epoch', 'direct']).execute();
      const directness = new Map(rows.map((row) => [row.epoch, row.direct]));
      expect([current, old, through].map(({ epoch }) => directness.get(epoch))).to.deep.equal([1, 0, 0]);
    });
  });

  it('E2: refuses what has passed here before, and what was meant for below', async () => {
    const source = sender();
    const self = test.appserver.services.self;
    const verdicts = await test.accept(
      mlm,
      source.data({}, { routing: [{ id: self, in: 1, out: 2 }] }),
      source.data({}, { locator: 'destination' }),
    );
    expect(verdicts.map(({ code }) => code)).to.deep.equal(['BH-E-LOOP', 'BH-E-XML-VALUE']);
  });

  it('admits its own children only, and a revoked one never again', async () => {
    const { proxies: direct } = await test.addSite('site-direct', 1, 0);
    const { receiver, directory } = test.appserver;
    const codeOf = (id: string) => {
      try {
        receiver.admit(test.peer(id));
        return 'ok';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect([direct[0]!, mlm, proxies[0]!, 'c99999999.p1', 'provider.a1'].map(codeOf)).to.deep.equal([
      'ok',
      'ok',
      'BH-E-ID-UNKNOWN',
      'BH-E-ID-UNKNOWN',
      'BH-E-ID-UNKNOWN',
    ]);
    await directory.revoke(direct[0]!);
    expect(codeOf(direct[0]!)).to.equal('BH-E-ID-REVOKED');
    expect(await test.accept(direct[0]!, sender(direct[0]).data()).catch((error) => error.code)).to.equal(
      'BH-E-ID-REVOKED',
    );
  });

  it('a module that throws undoes what came of that message alone: its sender is asked to send it again', async () => {
    const source = sender();
    const [good, bad] = [
      source.data({}, { class: 'x-order', subclass: 'obey' }),
      source.data({}, { class: 'x-order', subclass: 'throw' }),
    ];
    const [taken, asked] = await test.accept(mlm, good, bad);
    expect(taken).to.deep.equal(ACCEPTED);
    const said = { code: 'BH-E-MODULE', detail: 'obedient: as told', retryable: true, waitMs: 1_000 };
    expect(asked).to.deep.equal({ accepted: false, ...said });
    expect((await stored(source)).map(({ id }) => id)).to.deep.equal([good.header.id]);
    expect(await obeyed())
      .to.include(good.header.id)
      .and.not.include(bad.header.id);
    const report = test.appserver.services.modules.report().find(({ name }) => name === 'obedient');
    expect(report).to.deep.include({ state: 'running', faults: 1, lastFault: 'as told' });
  });

  it('a message that a module refuses is not stored, nor is anything that came of it; it may be sent again', async () => {
    const source = sender();
    const refused = source.data({}, { class: 'x-order', subclass: 'refuse' });
    const noted = source.data({}, { class: 'x-order', subclass: 'note' });
    const verdicts = await test.accept(mlm, refused, noted);
    expect(verdicts[0]).to.deep.equal({
      accepted: false,
      code: 'BH-E-SCHEMA',
      detail: 'obedient: as told',
      retryable: false,
    });
    expect((await stored(source)).map(({ note }) => note)).to.deep.equal(['obedient: as told']);
    expect(await obeyed())
      .to.include(noted.header.id)
      .and.not.include(refused.header.id);
    expect((await test.accept(mlm, refused))[0]!.code).to.equal('BH-E-SCHEMA');
  });

  it('E5: parses no body that nobody asked for, and refuses an unreadable one that somebody did', async () => {
    const source = sender();
    const garbage = Buffer.from('<!DOCTYPE x><x>');
    const verdicts = await test.accept(
      mlm,
      source.data({}, { body: garbage }),
      source.data({}, { class: 'x-order', subclass: 'obey', body: garbage }),
    );
    expect(verdicts.map(({ code }) => code)).to.deep.equal([undefined, 'BH-E-XML-DTD']);
    const { body } = await test.api('GET', `/messages/${(await stored(source))[0]!.id}`);
    expect(body.content).to.include({ type: 'unreadable', code: 'BH-E-XML-DTD' });
  });

  it('refuses retryably past the bound of gaps, and takes the lowest missing one always', async () => {
    const source = sender(proxies[1]);
    const gaps = Array.from({ length: SEEN_INTERVALS }, (_, n) => source.data({}, { sequence: 3 + 2 * n }));
    for (let at = 0; at < gaps.length; at += 256) await test.accept(mlm, ...gaps.slice(at, at + 256));
    const [far, lowest, next] = await test.accept(
      mlm,
      source.data({}, { sequence: 99_999 }),
      source.data({}, { sequence: 1 }),
      source.data({}, { sequence: 2 }),
    );
    expect(far).to.deep.include({ accepted: false, code: 'BH-E-SEEN-BOUND', retryable: true });
    expect([lowest, next]).to.deep.equal([ACCEPTED, ACCEPTED]);
  });

  it('T-A35: receipts open no more gaps than messages may, and epochs are counted', async () => {
    const site = await test.addSite('site-greedy', 1);
    const [id] = site.proxies as [string];
    const isolated = (source: Sender, count: number, from: number) =>
      Array.from({ length: count }, (_, n) => {
        const at = from + 2 * n;
        return { source: id, epoch: source.epoch, lane: 4 as const, from: at, to: at, reason: 'filtered' as const };
      });
    const bound = { accepted: false, code: 'BH-E-SEEN-BOUND', retryable: true };
    const held = async () => {
      const [row] = await test.appserver.database.read<{ count: number }>(
        'SELECT COUNT(*) AS "count" FROM "seen" WHERE "source" = ?',
        [id],
      );
      return row!.count;
    };
    const first = sender(id);
    const answers = [];
    for (let from = 10; from < 20_000; from += 2_000)
      answers.push(...(await test.accept(site.mlms[0]!, first.receipts(isolated(first, 1_000, from), { lane: 6 }))));
    expect(answers.slice(0, 4)).to.deep.equal(Array(4).fill(ACCEPTED));
    expect(answers.at(-1)).to.deep.include(bound);
    expect(await held()).to.be.at.most(SEEN_INTERVALS + 10);
    const whole = { ...isolated(first, 1, 1)[0]!, to: 30_000 };
    expect(await test.accept(site.mlms[0]!, first.receipts([whole], { lane: 6 }))).to.deep.equal([ACCEPTED]);
    expect(await held()).to.be.at.most(10);

    const verdicts = [];
    for (let n = 0; n < 2 * SOURCE_EPOCHS; n++) verdicts.push(...(await test.accept(site.mlms[0]!, sender(id).data())));
    expect(verdicts.filter(({ accepted }) => accepted)).to.have.length(SOURCE_EPOCHS - 1);
    expect(verdicts.at(-1)).to.deep.include(bound);
    expect(await held()).to.be.at.most(SOURCE_INTERVALS);
  });

  it('T-A35: receipts cost the same however long the account of their stream is', async () => {
    const source = sender();
    const range = (at: number) =>
      ({ source: source.id, epoch: source.epoch, lane: 4, from: at, to: at, reason: 'filtered' }) as const;
    const began = performance.now();
    for (let from = 1; from < 20_000; from += 2_000) {
      const ranges = Array.from({ length: 2_000 }, (_, n) => ({ ...range(from + n), rule: `r${n % 2}` }));
      expect(await test.accept(mlm, source.receipts(ranges, { lane: 6 }))).to.deep.equal([ACCEPTED]);
    }
    expect(performance.now() - began).to.be.below(9_000); // 1 s; 20 s when each range walks over those before it
  }).timeout(30_000);

  it('a message that cannot be stored waits alone: those that share its envelope and its commit are accepted', async () => {
    const [source, other, by] = [sender(), sender(proxies[1]), sender(mlm)];
    const receipt = by.receipts([
      { source: source.id, epoch: source.epoch, lane: 6, from: 1, to: 2, reason: 'filtered' },
    ]);
    const unstorable = { ...source.data({}, { sequence: 3 }), headerBytes: {} as Uint8Array };
    const { commits } = test.appserver.database.stats();
    const results = await Promise.allSettled([
      test.accept(mlm, other.data()),
      test.accept(mlm, receipt, unstorable),
      test.accept(mlm, other.data()),
    ]);
    const verdicts = results.map((result) => (result.status === 'fulfilled' ? result.value : []));
    expect(test.appserver.database.stats().commits - commits).to.equal(1);
    expect(verdicts.map((list) => list.map(({ code }) => code ?? 'ok'))).to.deep.equal([
      ['ok'],
      ['ok', 'BH-E-MODULE'],
      ['ok'],
    ]);
    expect(verdicts[1]![1]).to.include({ retryable: true, waitMs: 1_000 });
    expect(
      test.appserver.receiver.marks(test.peer(source.id)).find(({ epoch }) => epoch === source.epoch)!.through,
    ).to.equal(2);
    await test.restart(); // what waits is tried at once after a restart
    expect(await test.accept(mlm, receipt, source.data({}, { sequence: 3 }))).to.deep.equal([ACCEPTED, ACCEPTED]);
    expect(
      test.appserver.receiver.marks(test.peer(source.id)).find(({ epoch }) => epoch === source.epoch)!.through,
    ).to.equal(3);
  });

  describe('receipts', () => {
    const line = async (source: Sender) =>
      (await readLedger(test.queries, source.id, { limit: 500 }, test.ledgerAround)).items.find(
        ({ epoch }) => epoch === source.epoch,
      )!;

    it('say what became of what did not come; nothing is missing then', async () => {
      const [source, by] = [sender(), sender(mlm)];
      await test.accept(mlm, source.data({}, { sequence: 1 }), source.data({}, { sequence: 5 }));
      expect(await line(source)).to.include({ delivered: 2, inFlight: 3, unexplained: 0, through: 5 });
      await test.accept(
        mlm,
        by.receipts([
          { source: source.id, epoch: source.epoch, lane: 6, from: 2, to: 4, reason: 'filtered', rule: 'no-noise' },
        ]),
      );
      const account = await line(source);
      expect(account).to.include({ delivered: 2, filtered: 3, unexplained: 0, customer });
      expect(account.ranges).to.deep.include({ first: 2, last: 4, fate: 'filtered', at: mlm, rule: 'no-noise' });
      expect(
        test.appserver.receiver.marks(test.peer(source.id)).find(({ epoch }) => epoch === source.epoch)!.through,
      ).to.equal(5);
    });

    it('held becomes merged when the aggregate arrives, before or after', async () => {
      const [source, by] = [sender(), sender(mlm)];
      const [early, late] = [by.data(), by.data()];
      const held = (from: number, aggregate: string) =>
        by.receipts([
          {
            source: source.id,
            epoch: source.epoch,
            lane: 6,
            from,
            to: from + 4,
            reason: 'held',
            aggregate,
            rule: 'five',
          },
        ]);
      await test.accept(mlm, early, held(1, early.header.id), held(6, late.header.id));
      expect(await line(source)).to.include({ merged: 5, held: 5, unexplained: 0 });
      await test.accept(mlm, late);
      expect(await line(source)).to.include({ merged: 10, held: 0, unexplained: 0 });
    });

    it('T-A36: what one MLM holds is not merged by another that knows the id of the aggregate', async () => {
      const [source, by] = [sender(), sender(mlm)];
      const aggregate = by.data();
      const held = {
        source: source.id,
        epoch: source.epoch,
        lane: 6 as const,
        from: 1,
        to: 5,
        reason: 'held' as const,
      };
      await test.accept(mlm, by.receipts([{ ...held, aggregate: aggregate.header.id }]));
      const thief = (await test.addSite('site-thief', 1)).mlms[0]!;
      await test.accept(thief, sender(thief).data({}, { id: aggregate.header.id }));
      expect(await line(source)).to.include({ held: 5, merged: 0 });
    });

    it('L1: a message that comes after its own receipt is stored, and counts as delivered', async () => {
      const [source, by] = [sender(), sender(mlm)];
      await test.accept(
        mlm,
        by.receipts([{ source: source.id, epoch: source.epoch, lane: 6, from: 1, to: 3, reason: 'expired' }]),
      );
      const message = source.data({}, { sequence: 2 });
      expect(await test.accept(mlm, message, message)).to.deep.equal([ACCEPTED, ACCEPTED]);
      expect(await stored(source)).to.have.length(1);
      expect(await line(source)).to.include({ delivered: 1, expired: 2, unexplained: 0 });
    });

    it('T-A19: for somebody else’s messages are refused', async () => {
      const other = sender((await test.addSite('site-victim', 1)).proxies[0]);
      const receipt = sender(mlm).receipts([
        { source: other.id, epoch: other.epoch, lane: 4, from: 1, to: 9, reason: 'filtered' },
      ]);
      expect((await test.accept(mlm, receipt))[0]!.code).to.equal('BH-E-SPOOF');
      expect(await line(other)).to.equal(undefined);
    });

    it('that cannot be read are refused, and bury nothing', async () => {
      const source = sender(mlm);
      const receipt = source.receipts(
        [{ source: mlm, epoch: source.epoch, lane: 4, from: 1, to: 1, reason: 'filtered' }],
        { body: Buffer.from('<data') },
      );
      expect((await test.accept(mlm, receipt))[0]!.accepted).to.equal(false);
    });
  });
});

describe('A module that keeps failing', () => {
  it('is taken out after faults on many messages, and those that come then are stored', async () => {
    const test = await TestAppserver.create({ modules: [new Obedient()] });
    const { mlms, proxies } = await test.addSite();
    const source = new Sender(proxies[0]!);
    await test.accept(
      mlms[0]!,
      ...Array.from({ length: 25 }, () => source.data({}, { class: 'x-order', subclass: 'throw' })),
    );
    const report = test.appserver.services.modules.report().find(({ name }) => name === 'obedient');
    expect(report).to.include({ state: 'taken out', faults: 20 });
    const rows = await test.queries.from('messages').select('note').where('class', '=', 'x-order').execute();
    expect(rows.map(({ note }) => note)).to.deep.equal(Array(5).fill('obedient is taken out'));
    await test.stop();
  });
});

/** Waits for ever on the first message. */
class Sleeper implements ServiceModule {
  readonly name = 'sleeper';
  readonly subscriptions = [{ class: 'x-sleep' }];
  readonly migrations = [{ owner: 'sleeper', version: 1, statements: () => ['CREATE TABLE "slept" ("id" TEXT)'] }];
  readonly woken = Promise.withResolvers<void>();
  asked = false;
  late: unknown;

  async handle(tx: Transaction, { header }: ArrivedMessage): Promise<HandleResult> {
    const { db } = tx;
    await tx.run('INSERT INTO "slept" VALUES (?)', [[header.id]]);
    if (header.subclass !== 'long') return undefined;
    this.asked = true;
    await this.woken.promise;
    const tries = [
      () => tx.run('INSERT INTO "slept" VALUES (?)', [['late']]),
      () => tx.all('SELECT 1', []),
      () => tx.savepoint(async () => 1),
      () => db.insertInto('facts').values({ name: 'late', value: '' }).execute(),
      () => db.selectFrom('facts').selectAll().execute(),
    ];
    this.late = await Promise.all(
      tries.map((work) =>
        work().then(
          () => 'done',
          (error) => error.message,
        ),
      ),
    );
    return undefined;
  }
}

describe('A module that hangs', () => {
  it('holds nobody up for long, and writes nothing when it wakes', async () => {
    const clock = new FakeClock(Date.now());
    const sleeper = new Sleeper();
    const test = await TestAppserver.create({ modules: [sleeper], clock });
    const { mlms, proxies } = await test.addSite();
    const source = new Sender(proxies[0]!);
    const held = test.accept(
      mlms[0]!,
      source.data({}, { class: 'x-sleep', subclass: 'long' }),
      source.data({}, { class: 'x-sleep', subclass: 'short' }),
    );
    await until('the module has the message', () => sleeper.asked);
    await clock.advance(5_000);
    expect((await held).map(({ code }) => code ?? 'ok')).to.deep.equal(['BH-E-MODULE', 'ok']);
    sleeper.woken.resolve();
    await until('it woke', () => sleeper.late !== undefined);
    expect(sleeper.late).to.deep.equal(Array(5).fill('the transaction of this call is over'));
    const rows = await test.queries
      .from('messages')
      .select(['id', 'note'])
      .where('class', '=', 'x-sleep')
      .orderBy('number')
      .execute();
    expect(rows.map(({ note }) => note)).to.deep.equal([null]);
    const slept = await test.appserver.database.read<{ id: string }>('SELECT "id" FROM "slept"', []);
    expect(slept.map(({ id }) => id)).to.deep.equal([rows[0]!.id]);
    await test.stop();
  });
});

describe('A full disk', () => {
  it('T-A25: is a wait for the sender; nothing accepted is lost, and it goes on when there is room', async () => {
    const test = await TestAppserver.create();
    const { mlms, proxies } = await test.addSite();
    const source = new Sender(proxies[0]!);
    const { database, receiver } = test.appserver;
    const limitPages = (pages: number) => database.transaction((tx) => tx.all(`PRAGMA max_page_count = ${pages}`, []));
    const accepted: string[] = [];
    await limitPages(150);
    const body = Buffer.alloc(20_000, 'x');
    let refusal: { code: string; retryAfterMs: number; status: number } | undefined;
    let waiting = source.data({}, { body });
    while (!refusal) {
      await test.accept(mlms[0]!, waiting).then(
        () => accepted.push(waiting.header.id),
        (error) => (refusal = error),
      );
      if (!refusal) waiting = source.data({}, { body });
    }
    expect(refusal).to.include({ code: 'BH-E-SPOOL-STOPPED', status: 503, retryAfterMs: 10_000 });
    expect((await test.accept(mlms[0]!, waiting).catch((error) => error)).code).to.equal('BH-E-SPOOL-STOPPED');
    expect(database.stats().writing, 'shown as not ready').to.equal(false);
    await limitPages(1_000_000);
    expect(await test.accept(mlms[0]!, waiting)).to.deep.equal([ACCEPTED]);
    expect(database.stats().writing).to.equal(true);
    const rows = await test.queries
      .from('messages')
      .select('id')
      .where('source', '=', source.id)
      .orderBy('number')
      .execute();
    expect(rows.map(({ id }) => id)).to.deep.equal([...accepted, waiting.header.id]);
    expect(receiver.marks(test.peer(source.id))[0]).to.include({ through: rows.length });
    await test.stop();
  });
});
