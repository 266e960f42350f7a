import { type StatusNode, writeStatus } from '@backhaul/envelope';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const MINUTE = 60_000;

describe('Overdue: the watch', () => {
  let test: TestAppserver;
  let clock: FakeClock;
  let mlm: string;
  let proxies: string[];
  const speaking = new Set<string>();

  beforeEach(async () => {
    clock = new FakeClock();
    test = await TestAppserver.create({ clock });
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
    for (const id of [mlm, ...proxies]) speaking.add(id);
  });
  afterEach(async () => {
    speaking.clear();
    await test.stop();
  });

  /** Time goes by; whoever speaks is heard every ten seconds. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10_000) {
      for (const id of speaking) test.appserver.core.lastHeard.heard(id, clock.now());
      await clock.advance(5_000);
      await clock.advance(5_000);
    }
    const { database } = test.appserver;
    await database.transaction(async () => undefined); // whatever was begun is through
  };
  const told = async () =>
    (await test.api('GET', '/notifications')).body.items.map(
      (n: { kind: string; subject: string }) => `${n.kind} ${n.subject}`,
    );
  const component = async (id: string) => (await test.api('GET', `/components/${id}`)).body;
  const heartbeat = (source: string, children: StatusNode[], kind: 'proxy' | 'mlm' = 'proxy') => {
    const root: StatusNode = { kind, id: source, state: 'ok', children };
    return new Sender(source, clock.now().toString(16).padStart(16, '0')).message(writeStatus(clock.now(), root), {
      class: 'infrastructure',
      subclass: 'heartbeat',
    });
  };

  it('notices, shows and tells of a proxy that falls silent, and of its return', async () => {
    await pass(2 * MINUTE);
    const silent = proxies[1]!;
    speaking.delete(silent);
    await pass(4 * MINUTE);
    expect(await told()).to.deep.equal([`component.overdue ${silent}`]);
    expect(await component(silent)).to.deep.include({ overdue: true });
    expect((await component(silent)).watch).to.include({ state: 'overdue', behind: null });
    expect((await test.api('GET', '/overdue')).body.items).to.have.length(1);
    speaking.add(silent);
    await pass(2 * MINUTE);
    expect(await told()).to.deep.equal([`component.back ${silent}`, `component.overdue ${silent}`]);
    const [back] = (await test.api('GET', '/notifications?kind=component.back')).body.items;
    expect(back.text).to.match(/is back; it was away for 4 min/);
    expect(await component(silent)).to.deep.include({ overdue: false, watch: null });
  });

  it('one notification for a whole MLM; its children are unreachable behind it', async () => {
    await pass(2 * MINUTE);
    speaking.clear();
    await pass(5 * MINUTE);
    expect(await told()).to.deep.equal([`component.overdue ${mlm}`]);
    const [one] = (await test.api('GET', '/notifications')).body.items;
    expect(one).to.deep.include({ severity: 'critical' });
    expect(one.data).to.include({ component: mlm, behind: 3 });
    expect((await component(proxies[0]!)).watch).to.include({ state: 'unreachable', behind: mlm });
  });

  it('a restart neither forgets nor repeats, and gives everybody their time', async () => {
    await pass(2 * MINUTE);
    speaking.delete(proxies[0]!);
    await pass(5 * MINUTE);
    expect(await told()).to.have.length(1);
    speaking.clear();
    clock.jump(60 * MINUTE); // it was down for an hour
    await test.restart();
    expect(await component(mlm)).to.include({ overdue: false });
    await pass(2.5 * MINUTE);
    expect(await told()).to.have.length(1);
    for (const id of [mlm, ...proxies]) speaking.add(id);
    await pass(2 * MINUTE);
    expect(await told()).to.deep.equal([`component.back ${proxies[0]}`, `component.overdue ${proxies[0]}`]);
  });

  it('after an outage of its own it does not cry', async () => {
    await pass(2 * MINUTE);
    clock.jump(60 * MINUTE); // as a stopped process sees it: the wall has gone on
    await pass(2 * MINUTE);
    speaking.clear();
    clock.jump(60 * MINUTE);
    await pass(2.5 * MINUTE);
    expect(await told()).to.deep.equal([]);
    expect(await component(mlm)).to.include({ overdue: false });
  });

  it('an integrator that its proxy calls silent is overdue; well again is told, too', async () => {
    await pass(MINUTE);
    const proxy = proxies[0]!;
    const node = (state: StatusNode['state']): StatusNode => ({
      kind: 'integrator',
      id: `${proxy}.i1`,
      state,
      children: [],
    });
    await test.accept(mlm, heartbeat(proxy, [node('failed')]));
    await pass(MINUTE);
    expect(await told()).to.deep.equal([`component.overdue ${proxy}.i1`]);
    await test.accept(mlm, heartbeat(proxy, [node('unknown')]));
    await pass(MINUTE);
    expect(await told()).to.have.length(1);
    await test.accept(mlm, heartbeat(proxy, [node('ok')]));
    await pass(MINUTE);
    expect(await told()).to.deep.equal([`component.back ${proxy}.i1`, `component.overdue ${proxy}.i1`]);
  });

  it('a proxy’s word on what is not below it counts for nothing: another’s MLM does not fall silent by it [T-A19]', async () => {
    const other = await test.addSite('site-b', 1, 1);
    for (const id of [...other.mlms, ...other.proxies]) speaking.add(id);
    await pass(2 * MINUTE);
    const claims = [other.mlms[0]!, other.proxies[0]!, proxies[1]!, `${proxies[1]}.i1`].map(
      (id): StatusNode => ({ kind: 'integrator', id, state: 'failed', children: [] }),
    );
    await test.accept(mlm, heartbeat(proxies[0]!, claims));
    await pass(2 * MINUTE);
    expect(await told()).to.deep.equal([]);
    expect((await test.api('GET', '/overdue')).body.items).to.deep.equal([]);
  });

  it('an MLM’s word that it hears a proxy counts, and no word on one that is not below it', async () => {
    const [quiet] = proxies;
    const foreign = (await test.addSite('site-b', 1, 1)).proxies[0]!;
    await test.accept(
      mlm,
      heartbeat(
        mlm,
        [
          { kind: 'proxy', id: quiet!, state: 'ok', heardAt: clock.now() - 5_000, children: [] },
          { kind: 'proxy', id: foreign, state: 'ok', heardAt: clock.now(), children: [] },
        ],
        'mlm',
      ),
    );
    const { lastHeard } = test.appserver.core;
    expect(lastHeard.get(quiet!)).to.equal(clock.now() - 5_000);
    expect(lastHeard.get(foreign)).to.equal(undefined);
  });

  it('a critical alarm is told as it opens and clears, once each', async () => {
    const sender = new Sender(proxies[0]!);
    const alarm = (state: 'open' | 'clear', at: number) =>
      sender.alarm({ severity: 'critical', state, occurredAt: at, text: 'smoke' });
    await test.accept(
      mlm,
      alarm('open', 1_000),
      alarm('open', 2_000),
      alarm('clear', 3_000),
      sender.alarm({ alarmId: 'x' }),
    );
    expect(await told()).to.deep.equal([`alarm.clear ${sender.instance}`, `alarm.open ${sender.instance}`]);
  });

  it('a test notification says at once what is wrong', async () => {
    expect((await test.api('POST', '/notification-senders/nobody/test')).body.code).to.equal('BH-E-NOT-FOUND');
    expect((await test.api('GET', '/notification-senders')).body.items).to.deep.equal([]);
  });
});
