import { type Content, type Message, type StatusNode, writeHeader, writeStatus } from '@backhaul/envelope';
import { expect } from 'chai';
import type { BusEvent } from '../src/index.ts';
import { isOlder, toldTime } from '../src/service-modules/told-time.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

describe('Service modules', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxies: string[];
  const events: BusEvent[] = [];

  before(async () => {
    test = await TestAppserver.create();
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
    test.appserver.bus.subscribe('*', (event) => events.push(event));
  });
  after(() => test.stop());

  let epochs = 0;
  const sender = (id = proxies[0]!) => new Sender(id, (++epochs).toString(16).padStart(16, '0'));
  const noteOf = async (id: string) => (await test.api('GET', `/messages/${id}`)).body.note;
  const itemsOf = async (path: string) => (await test.api('GET', path)).body.items;
  const packages = (count: number, from = 0) =>
    Array.from({ length: count }, (_, n) => ({ name: `p${from + n}`, version: '1', architecture: 'amd64' }));

  it('T-A35: messages that cannot be read take no module out, whatever their class', async () => {
    const source = sender();
    const text = { type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'no JSON' } as const;
    const part = { type: 'data', mimeType: 'application/json', encoding: 'none', text: '{"part":"x"}' } as const;
    const event = { type: 'event', eventId: 'odd', severity: 'info', occurredAt: 1, text: '' } as const;
    const contents = [text, part, { ...event, instance: source.instance }];
    const as = (content: Content, cls: string): Message => {
      const { header, body } = source.message(content, { instance: source.instance });
      const odd = { ...header, class: cls, subclass: 'odd' };
      return { header: odd, headerBytes: writeHeader(odd), body };
    };
    for (const cls of [
      'os-packages',
      'patches',
      'disk-configuration',
      'system-configuration',
      'storage-alarms',
      'command',
    ])
      for (const content of contents) await test.accept(mlm, ...Array.from({ length: 25 }, () => as(content, cls)));
    const taken = test.appserver.services.modules.report().filter(({ state }) => state === 'taken out');
    expect(taken).to.deep.equal([]);
  });

  describe('alarms', () => {
    const find = async (alarmId: string, state = '') =>
      (await itemsOf(`/alarms${state}`)).find((alarm: { alarmId: string }) => alarm.alarmId === alarmId);

    it('open and clear by alarmId; only transitions go out on the bus', async () => {
      const source = sender();
      const at = (minute: number, state: 'open' | 'clear') =>
        source.alarm({ alarmId: 'disk', state, occurredAt: minute * 60_000 });
      await test.accept(mlm, at(1, 'open'), at(2, 'open'));
      expect(await find('disk', '?state=open')).to.deep.include({
        state: 'open',
        severity: 'major',
        openedAt: 60_000,
        times: 1,
        instance: source.instance,
        site: 'site-a',
      });
      await test.accept(mlm, at(3, 'clear'));
      expect(await find('disk', '?state=open')).to.equal(undefined);
      expect(await find('disk')).to.include({ state: 'clear' });
      await test.accept(mlm, at(4, 'open'));
      expect(await find('disk')).to.include({ state: 'open', openedAt: 240_000, times: 2 });
      expect(events.filter(({ body }) => body['alarmId'] === 'disk').map(({ topic }) => topic)).to.deep.equal([
        'alarm.open',
        'alarm.clear',
        'alarm.open',
      ]);
    });

    it('of a machine that two proxies look after are one condition, whichever proxy tells of it', async () => {
      const senders = [sender(proxies[0]), sender(proxies[1])] as const;
      const register = (source: Sender) =>
        source.data(
          { kind: 'instance', id: source.instance, platform: 'snmp', managementId: 'sw-9' },
          { class: 'infrastructure', subclass: 'registration' },
        );
      await test.accept(mlm, ...senders.map(register));
      const tell = (source: Sender, state: 'open' | 'clear', occurredAt: number) =>
        test.accept(
          mlm,
          source.alarm({ alarmId: 'two-ways', state, occurredAt }, { eventKey: `snmp/sw-9/${state}/${occurredAt}` }),
        );
      await tell(senders[0], 'open', 1_000);
      await tell(senders[1], 'open', 1_000);
      await tell(senders[1], 'clear', 2_000);
      await tell(senders[0], 'clear', 2_000);
      const all = (await itemsOf('/alarms?limit=500')).filter((a: { alarmId: string }) => a.alarmId === 'two-ways');
      expect(all.map(({ instance, state }: Record<string, string>) => [instance, state])).to.deep.equal([
        [senders[0].instance, 'clear'],
      ]);
    });

    it('that come late change nothing that is newer', async () => {
      const source = sender();
      await test.accept(mlm, source.alarm({ alarmId: 'late', state: 'clear', occurredAt: 2_000 }));
      const stale = source.alarm({ alarmId: 'late', state: 'open', occurredAt: 1_000 });
      await test.accept(mlm, stale);
      expect(await find('late')).to.include({ state: 'clear' });
      expect(await noteOf(stale.header.id)).to.contain('older');
    });

    it('opened by a clock that was a year ahead are cleared when it is right again', async () => {
      const source = sender();
      await test.accept(mlm, source.alarm({ alarmId: 'ahead', state: 'open', occurredAt: Date.now() + YEAR_MS }));
      expect((await find('ahead', '?state=open')).openedAt).to.be.at.most(Date.now());
      await test.accept(mlm, source.alarm({ alarmId: 'ahead', state: 'clear', occurredAt: Date.now() }));
      expect(await find('ahead')).to.include({ state: 'clear' });
      expect(await find('ahead', '?state=open')).to.equal(undefined);
    });

    it('that cannot be told are kept as such, with the reason', async () => {
      await test.accept(
        mlm,
        sender().alarm(
          { alarmId: 'units', state: 'unavailable', severity: 'info', text: 'no systemd here' },
          { subclass: 'units' },
        ),
      );
      expect(await find('units', '?state=unavailable')).to.include({ state: 'unavailable', text: 'no systemd here' });
      expect(await find('units', '?state=active')).to.be.an('object');
      expect(await find('units', '?state=clear')).to.equal(undefined);
    });

    it('of any class, the worst first, page by page', async () => {
      const source = sender(proxies[1]);
      for (const [n, severity] of (['info', 'critical', 'minor'] as const).entries()) {
        await test.accept(
          mlm,
          source.alarm(
            { alarmId: `x-${n}`, severity, instance: source.instance },
            { class: 'x-mine', subclass: 'any' },
          ),
        );
      }
      const all = await itemsOf('/alarms');
      const ranks = all.map(({ severity }: { severity: string }) =>
        ['critical', 'major', 'minor', 'warning', 'info'].indexOf(severity),
      );
      expect(ranks).to.deep.equal(ranks.toSorted((a: number, b: number) => a - b));
      const paged: string[] = [];
      for (let cursor = ''; ; ) {
        const { items, nextCursor } = (await test.api('GET', `/alarms?limit=1${cursor}`)).body;
        paged.push(...items.map(({ alarmId }: { alarmId: string }) => alarmId));
        if (nextCursor === null) break;
        cursor = `&cursor=${nextCursor}`;
      }
      expect(paged).to.deep.equal(all.map(({ alarmId }: { alarmId: string }) => alarmId));
    });

    it('T-A19: whose body speaks of another instance than the header are refused', async () => {
      const source = sender();
      const forged = source.alarm({ alarmId: 'forged', instance: `${proxies[1]}.s1` }, { instance: source.instance });
      expect((await test.accept(mlm, forged))[0]).to.include({ accepted: false, code: 'BH-E-SPOOF' });
      expect(await find('forged')).to.equal(undefined);
    });
  });

  describe('inventory and the three services of fig. 3', () => {
    it('take what they subscribe to, part by part, the newest only', async () => {
      const source = sender(proxies[2]);
      const { instance } = source;
      const list = (part: number, parts: number, count: number, madeAt: number) =>
        source.data(
          { manager: 'dpkg', packages: packages(count, part * 100), part, parts },
          { class: 'os-packages', subclass: 'list', instance, madeAt },
        );
      await test.accept(mlm, list(1, 3, 10, 1_000), list(2, 3, 10, 1_000), list(3, 3, 5, 1_000));
      const patch = { name: 'openssl', installed: '1', candidate: '2', security: true };
      await test.accept(
        mlm,
        source.data(
          { manager: 'dpkg', available: [patch], state: 'known' },
          { class: 'patches', subclass: 'available', instance, madeAt: 1_000 },
        ),
      );
      const disks = {
        devices: [],
        filesystems: [{ device: '/dev/sda1', mountpoint: '/', type: 'ext4', sizeBytes: 100, usedBytes: 50 }],
      };
      await test.accept(
        mlm,
        source.data(disks, { class: 'disk-configuration', subclass: 'list', instance, madeAt: 1_000 }),
      );
      const patched = (await itemsOf('/services/patch-management')).find(
        (item: { instance: string }) => item.instance === instance,
      );
      expect(patched).to.deep.include({
        packages: 25,
        available: 1,
        security: 1,
        state: 'known',
        patches: [patch],
        site: 'site-a',
      });

      await test.accept(mlm, list(1, 1, 7, 2_000), list(2, 3, 10, 500));
      const again = (await itemsOf('/services/patch-management')).find(
        (item: { instance: string }) => item.instance === instance,
      );
      expect(again.packages).to.equal(17);
      const { body } = await test.api('GET', `/inventory/${instance}`);
      expect(body.classes).to.deep.equal(['disk-configuration', 'os-packages', 'patches']);
      expect(
        body.documents
          .filter((d: { class: string }) => d.class === 'os-packages')
          .map((d: { document: { packages: unknown[] } }) => d.document.packages.length),
      ).to.deep.equal([7, 10]);
      const storage = (await itemsOf('/services/storage-monitoring')).find(
        (item: { instance: string }) => item.instance === instance,
      );
      expect(storage.filesystems).to.have.length(1);
      expect(storage.filesystems[0]).to.include({ mountpoint: '/', usedBytes: 50 });
    });

    it('subscribe to exactly what fig. 3 shows', () => {
      const shown = {
        'patch-management': ['patches', 'os-packages'],
        'configuration-management': ['disk-configuration', 'patches', 'os-packages', 'system-configuration'],
        'storage-monitoring': ['disk-configuration', 'storage-alarms'],
      };
      for (const [name, classes] of Object.entries(shown)) {
        const module = test.appserver.services.modules.modules.find((candidate) => candidate.name === name)!;
        expect(
          module.subscriptions.map((subscription) => subscription.class),
          name,
        ).to.have.members(classes);
      }
    });

    it('see a change of configuration, and none in what is only measured', async () => {
      const source = sender(proxies[1]);
      const { instance } = source;
      const disk = (usedBytes: number, sizeBytes: number) =>
        source.data(
          { devices: [], filesystems: [{ device: 'd', mountpoint: '/', type: 'ext4', sizeBytes, usedBytes }] },
          { class: 'disk-configuration', subclass: 'list', instance },
        );
      await test.accept(mlm, disk(1, 100), disk(2, 100), disk(2, 200));
      const item = (await itemsOf('/services/configuration-management')).find(
        (one: { instance: string }) => one.instance === instance,
      );
      expect(item.configuration).to.have.length(1);
      expect(item.configuration[0]).to.include({ class: 'disk-configuration', changes: 1 });
    });

    it('go on when the clock of a machine was a year ahead for a while', async () => {
      const source = sender(proxies[1]);
      const instance = `${source.id}.s9`;
      const disk = (sizeBytes: number, madeAt: number) =>
        source.data(
          { devices: [], filesystems: [{ device: 'd', mountpoint: '/', type: 'ext4', sizeBytes, usedBytes: 1 }] },
          { class: 'disk-configuration', subclass: 'list', instance, madeAt },
        );
      await test.accept(mlm, disk(100, Date.now() + YEAR_MS));
      const right = disk(200, Date.now());
      await test.accept(mlm, right);
      expect(await noteOf(right.header.id)).to.equal(null);
      const ofIt = (one: { instance: string }) => one.instance === instance;
      const { filesystems } = (await itemsOf('/services/storage-monitoring')).find(ofIt);
      expect(filesystems[0]).to.include({ sizeBytes: 200 });
      const { configuration } = (await itemsOf('/services/configuration-management')).find(ofIt);
      expect(configuration[0]).to.include({ changes: 1, message: right.header.id });
      const { body } = await test.api('GET', `/inventory/${instance}`);
      expect(JSON.stringify(body)).to.contain('200').and.contain(right.header.id);
    });

    it('believe no time that is still to come, of whomever', () => {
      const now = { receivedAt: 1_000 };
      expect([toldTime(900, now), toldTime(1_100, now)]).to.deep.equal([900, 1_000]);
      expect(isOlder(900, 950, now)).to.equal(true);
      expect([900, 800, undefined, 1_001].map((knownAt) => isOlder(900, knownAt, now))).to.deep.equal(
        Array.from({ length: 4 }, () => false),
      );
    });

    it('refuse a document that is not of its class, and store nothing of it', async () => {
      const source = sender();
      const wrong = source.data(
        { devices: 'none' },
        { class: 'disk-configuration', subclass: 'list', instance: source.instance },
      );
      expect((await test.accept(mlm, wrong))[0]).to.include({ accepted: false, code: 'BH-E-SCHEMA' });
      expect((await test.api('GET', `/messages/${wrong.header.id}`)).status).to.equal(404);
    });

    it('know an instance by its registration; one that is not below the proxy is refused', async () => {
      const source = sender();
      const register = (id: string) =>
        source.data(
          { kind: 'instance', id, platform: 'host', managementId: '10.0.0.7', name: 'db-1' },
          { class: 'infrastructure', subclass: 'registration' },
        );
      expect((await test.accept(mlm, register(source.instance)))[0]!.accepted).to.equal(true);
      expect((await test.api('GET', `/inventory/${source.instance}`)).body).to.deep.include({
        managementId: '10.0.0.7',
        name: 'db-1',
        component: source.id,
        kind: 'instance',
      });
      expect((await test.accept(mlm, register(`${proxies[1]}.s1`)))[0]!.code).to.equal('BH-E-SPOOF');
    });
  });

  describe('status', () => {
    const heartbeat = (source: Sender, root: Partial<StatusNode>, madeAt: number) =>
      source.message(
        writeStatus(madeAt, {
          kind: 'proxy',
          id: source.id,
          state: 'ok',
          version: '9.9.9',
          backlog: 4,
          oldestMs: 1_000,
          children: [],
          ...root,
        }),
        { class: 'infrastructure', subclass: 'heartbeat' },
      );

    it('shows the newest heartbeat of each component', async () => {
      const source = sender(proxies[2]);
      const before = Date.now();
      await test.accept(mlm, heartbeat(source, {}, 2_000), heartbeat(source, { state: 'failed' }, 1_000));
      const { body } = await test.api('GET', `/components/${source.id}`);
      expect(body).to.deep.include({ version: '9.9.9', health: 'ok', overdue: false, parent: mlm, children: [] });
      expect(body.backlog.messages).to.equal(4);
      expect(body.lastHeardAt).to.be.at.least(before);
      expect(body.heartbeat).to.include({ id: source.id });
    });

    it('shows the newest one also after a clock that was a year ahead', async () => {
      const source = sender(proxies[1]);
      await test.accept(mlm, heartbeat(source, { backlog: 7 }, Date.now() + YEAR_MS));
      await test.accept(mlm, heartbeat(source, { backlog: 8 }, Date.now()));
      const { body } = await test.api('GET', `/components/${source.id}`);
      expect(body.backlog.messages).to.equal(8);
      const rows = await test.appserver.database.read('SELECT "madeAt" FROM "holdings" WHERE "component" = ?', [
        source.id,
      ]);
      expect((rows[0] as { madeAt: number }).madeAt).to.be.at.most(Date.now());
    });

    it('passes on to people what a component says of a damaged store, not that it has started', async () => {
      const source = sender(proxies[2]);
      const notice = (eventId: string, severity: 'info' | 'major', text: string) =>
        source.message(
          { type: 'event', eventId, severity, instance: source.id, occurredAt: 1_000, text },
          { class: 'infrastructure', subclass: 'notice' },
        );
      const findings = notice('store-findings', 'major', 'the store was found damaged');
      const clone = notice('clone', 'major', 'two of it');
      await test.accept(mlm, notice('cold-start', 'info', 'it has started'), clone, findings, findings);
      const { items } = (await test.api('GET', '/notifications')).body;
      const told = items.filter(({ kind }: { kind: string }) => kind.startsWith('component.'));
      const kinds = told.map(({ kind }: { kind: string }) => kind);
      expect(kinds).to.deep.equal(['component.store-findings', 'component.cloned']);
      expect(told[0]).to.deep.include({ kind: 'component.store-findings', severity: 'major', subject: source.id });
      expect(told[0].text).to.equal(`${source.id}: the store was found damaged`);
    });

    it('T-A19: refuses a heartbeat in somebody else’s name', async () => {
      expect((await test.accept(mlm, heartbeat(sender(), { id: proxies[1]! }, 1)))[0]!.code).to.equal('BH-E-SPOOF');
    });

    it('reckons when a component was heard from the time its message spent above it, wrong clocks or not', async () => {
      const [proxy] = (await test.addSite('site-slow', 1)).proxies;
      const top = test.appserver.directory.tree.nextHops(proxy!)[0]!;
      const routing = [
        { id: proxy!, in: 1, out: 2 },
        { id: top, in: 7_000_000_000, out: 7_000_000_000 + HOUR_MS },
      ];
      await test.accept(top, sender(proxy).data({}, { routing }));
      const { lastHeardAt } = (await test.api('GET', `/components/${proxy}`)).body;
      expect(Date.now() - lastHeardAt).to.be.within(HOUR_MS, HOUR_MS + 60_000);
    });
  });
});
