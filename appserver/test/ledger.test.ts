import { type Holdings, writeHoldings, writeStatus } from '@backhaul/envelope';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const GRACE_MS = 300_000;

describe('The ledger of what is missing', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxies: string[];
  const clock = new FakeClock(Date.now());
  before(async () => {
    test = await TestAppserver.create({ clock });
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
  });
  after(() => test.stop());

  let epochs = 0;
  const sender = (id = proxies[0]!) => new Sender(id, (++epochs).toString(16).padStart(16, '0'));
  const manager = () => sender(mlm);
  const report = (source: Sender, given: Partial<Holdings>) =>
    source.message(writeHoldings({ madeAt: clock.now(), own: [], ranges: [], truncated: false, ...given }), {
      class: 'infrastructure',
      subclass: 'holdings',
      lane: 0,
    });
  const beat = (source: Sender) =>
    source.message(writeStatus(clock.now(), { kind: 'proxy', id: source.id, state: 'ok', children: [] }), {
      class: 'infrastructure',
      subclass: 'heartbeat',
      lane: 0,
    });
  const held = (source: Sender, from: number, to: number) => ({
    ...{ source: source.id, epoch: source.epoch, lane: 6 as const, from, to, messages: to - from + 1 },
  });
  const ledgerOf = async (source: Sender) => {
    const { body } = await test.api('GET', `/ledger?source=${source.id}&limit=500`);
    const line = body.items.find(
      ({ epoch, lane }: { epoch: string; lane: number }) => epoch === source.epoch && lane === 6,
    );
    return { line, body };
  };
  const fates = async (source: Sender) =>
    (await ledgerOf(source)).line.ranges.map(
      ({ first, last, fate, at, below }: Record<string, string>) => `${first}-${last} ${fate} ${at ?? below ?? ''}`,
    );

  it('a gap is in flight at the hop that tells it holds it, then below the last that is silent, then unexplained', async () => {
    const source = sender();
    await test.accept(mlm, source.data({}, { sequence: 1 }), source.data({}, { sequence: 5 }));
    expect(await fates(source)).to.include(`2-4 in-flight ${mlm}`);
    await test.accept(mlm, report(manager(), { ranges: [held(source, 2, 3)] }));
    expect(await fates(source)).to.deep.equal([
      '1-1 delivered ',
      `2-3 in-flight ${mlm}`,
      `4-4 in-flight ${mlm}`,
      '5-5 delivered ',
    ]);
    await clock.advance(GRACE_MS + 1);
    await test.accept(mlm, beat(manager()));
    expect((await ledgerOf(source)).line).to.include({ inFlight: 3, unexplained: 0 });
    expect(await fates(source)).to.include(`2-4 in-flight ${proxies[0]}`);
    await test.accept(mlm, beat(source));
    const { line, body } = await ledgerOf(source);
    expect(line).to.include({ delivered: 2, inFlight: 0, unexplained: 3 });
    expect(body).to.include({ inFlight: 0, unexplained: 3 });
    await test.accept(mlm, ...[2, 3, 4].map((sequence) => source.data({}, { sequence })));
    expect((await ledgerOf(source)).line).to.include({ delivered: 5, inFlight: 0, unexplained: 0 });
  });

  it('an envelope of reports costs one: the others are accepted and not evaluated, until a second has passed', async () => {
    const source = sender();
    const teller = manager();
    await clock.advance(1000);
    const reports = Array.from({ length: 75 }, (_, i) =>
      report(teller, { ranges: [held(source, i * 10 + 1, i * 10 + 1)] }),
    );
    await test.accept(mlm, ...reports);
    const rows = () =>
      test.appserver.database.read<{ first: number }>('SELECT "first" FROM "heldRanges" WHERE "epoch" = ?', [
        source.epoch,
      ]);
    expect(await rows()).to.have.length(1);
    await clock.advance(1000);
    await test.accept(mlm, report(teller, { ranges: [held(source, 2, 2)] }));
    expect(await rows()).to.have.length(2);
  });

  it('what the source says it has given counts, though nothing later has arrived; of an epoch it has left it does not', async () => {
    const source = sender(proxies[1]);
    const given = (last: number) => ({ own: [{ epoch: source.epoch, lane: 6 as const, last }] });
    await test.accept(mlm, source.data(), report(source, { ...given(4), ranges: [held(source, 2, 4)] }));
    expect((await ledgerOf(source)).line).to.include({ through: 4, delivered: 1, inFlight: 3, unexplained: 0 });
    await clock.advance(GRACE_MS + 1);
    await test.accept(mlm, report(source, given(4)), beat(manager()));
    expect((await ledgerOf(source)).line).to.include({ through: 4, unexplained: 3 });
    await test.accept(mlm, sender(proxies[1]).data());
    expect((await ledgerOf(source)).line).to.include({ through: 1, inFlight: 0, unexplained: 0 });
  });

  it('numbers left for a new epoch are accounted for; another message that a copy gave one of them still counts as delivered', async () => {
    const [old, next] = [sender(proxies[3]), sender(proxies[3])];
    const five = [1, 2, 3, 4, 5].map((sequence) => old.data({ sequence }, { sequence }));
    await test.accept(mlm, five[0]!, five[4]!);
    const again = five.slice(1, 4).map(({ header: { id } }, i) => next.data({ sequence: i + 2 }, { id }));
    const left = { source: old.id, epoch: old.epoch, lane: 6 as const, from: 2, to: 5 };
    await test.accept(mlm, ...again, next.receipts([{ ...left, reason: 'superseded', rule: 'new-epoch' }]));
    await clock.advance(GRACE_MS + 1);
    await test.accept(mlm, beat(next), beat(manager()));
    const none = { inFlight: 0, unexplained: 0 };
    expect((await ledgerOf(old)).line, 'the fifth had arrived').to.include({ delivered: 2, superseded: 3, ...none });
    expect((await ledgerOf(next)).line).to.include({ delivered: 4, ...none });
    await test.accept(mlm, old.data({ other: true }, { sequence: 3 }));
    expect((await ledgerOf(old)).line).to.include({ delivered: 3, superseded: 2, ...none });
  });

  it('a report that could not tell all explains nothing away', async () => {
    const source = sender(proxies[2]);
    await test.accept(mlm, source.data({}, { sequence: 2 }));
    await clock.advance(GRACE_MS + 1);
    await test.accept(mlm, beat(source), report(manager(), { truncated: true }));
    expect(await fates(source)).to.include(`1-1 in-flight ${mlm}`);
    await clock.advance(1_000);
    await test.accept(mlm, beat(manager()));
    expect(await fates(source)).to.include(`1-1 in-flight ${mlm}`);
    await test.accept(mlm, report(manager(), {}));
    expect(await fates(source)).to.include('1-1 unexplained ');
  });

  it('T-A19: a component speaks of what is below it only', async () => {
    await clock.advance(1000);
    const other = sender((await test.addSite('site-elsewhere', 1)).proxies[0]);
    expect((await test.accept(mlm, report(manager(), { ranges: [held(other, 1, 2)] })))[0]!.code).to.equal(
      'BH-E-SPOOF',
    );
  });

  it('numbers as large as the wire takes, in receipts and in times under way, stop nobody who asks [T-A35]', async () => {
    const liar = sender(proxies[1]);
    const top = Number.MAX_SAFE_INTEGER;
    const receipts = ([4, 6] as const).map((lane) => ({
      ...{ source: liar.id, epoch: liar.epoch, lane, from: 1, to: top, reason: 'expired' as const },
    }));
    await test.accept(mlm, liar.receipts(receipts));
    expect((await test.api('GET', '/metrics-summary')).status).to.equal(200);
    const routing = [1, 2, 3].map((n) => ({ id: `${liar.id}.x${n}`, in: 0, out: 8e15 }));
    const own = ([1, 3, 5, 7] as const).map((lane) => ({ epoch: liar.epoch, lane, last: top }));
    await test.accept(mlm, report(liar, { own }));
    const status = writeStatus(clock.now(), { kind: 'proxy', id: liar.id, state: 'ok', children: [] });
    const options = { class: 'infrastructure', subclass: 'heartbeat', lane: 0 as const, routing };
    await test.accept(mlm, liar.message(status, options), liar.data({}, { sequence: 4, lane: 8 }));
    expect((await test.api('GET', '/ledger')).status).to.equal(200);
  });
});
