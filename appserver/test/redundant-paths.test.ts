import { jsonElement, jsonOf, type MessageResponse, readContent, readHeader } from '@backhaul/envelope';
import { membershipDocument } from '@backhaul/identity';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import { mergeWord, type PathState } from '../src/service-modules/command-paths.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

/** Messages that may wait for one MLM. */
const QUOTA = 50;
const BUDGET = { maxMessages: 100, maxBytes: 10_000_000 };

describe('Redundant paths', () => {
  let test: TestAppserver;
  let clock: FakeClock;
  let mlms: string[];
  let proxies: string[];
  let customer: string;

  beforeEach(async () => {
    clock = new FakeClock(Date.now());
    test = await TestAppserver.create({ clock, config: { mailbox: { maxMessages: QUOTA, maxBytes: 1_000_000 } } });
    ({ mlms, proxies, customer } = await test.addSite('site-a', 2, 2));
  });
  afterEach(() => test.stop());

  const setParents = (id: string, parents: readonly string[]) =>
    test.api('PUT', `/components/${id}/parents`, { parents });
  const mailbox = async (owner: string) =>
    (await test.appserver.mailboxes.read(owner, BUDGET)).messages.map(({ header, body }) => ({
      header: readHeader(Buffer.from(header)),
      content: readContent(Buffer.from(body)),
    }));
  const commandsIn = async (owner: string) =>
    (await mailbox(owner)).filter((message) => message.header.class === 'command').map(({ header }) => header);
  const send = async (destination: object, more: object = {}) =>
    (await test.api('POST', '/commands', { destination, command: 'ping', ...more })).body.id as string;
  const command = async (id: string) => (await test.api('GET', `/commands/${id}`)).body.members[0];
  const pathsOf = async (id: string) =>
    Object.fromEntries((await command(id)).paths.map(({ path, state }: Record<string, string>) => [path, state]));
  const senders = new Map<string, Sender>();
  const answer = async (source: string, by: string, request: string, given: Partial<MessageResponse> = {}) => {
    const sender = senders.get(source) ?? new Sender(source, 'ef'.repeat(8));
    senders.set(source, sender);
    const content = { type: 'messageResponse', request, status: 'done', text: 'pong', ...given } as const;
    const routing = [source, by].map((id) => ({ id, in: 1, out: 2 }));
    const [verdict] = await test.accept(by, sender.message(content, { class: 'command', subclass: 'ping', routing }));
    expect(verdict!.accepted, JSON.stringify(verdict)).to.equal(true);
  };
  beforeEach(() => senders.clear());

  describe('a proxy below two MLMs', () => {
    let proxy: string;
    beforeEach(async () => {
      proxy = proxies[0]!;
      expect((await setParents(proxy, mlms)).status).to.equal(200);
    });

    it('is shown with its parents, and every parent’s membership lists it', async () => {
      expect((await test.api('GET', `/components/${proxy}`)).body).to.deep.include({ parent: mlms[0], parents: mlms });
      for (const mlm of mlms) {
        expect((await test.api('GET', `/components/${mlm}`)).body.children).to.include(proxy);
        const documents = (await mailbox(mlm)).filter(({ header }) => header.subclass === 'membership');
        const { components, groups } = membershipDocument.parse(jsonOf(documents.at(-1)!.content as never));
        expect(components.find(({ id }) => id === proxy)).to.deep.include({ parent: mlm });
        expect(groups['site-a']).to.include(proxy);
      }
    });

    it('its messages are taken below each of them, and nobody else’s below both', async () => {
      const sender = new Sender(proxy);
      for (const mlm of mlms) expect((await test.accept(mlm, sender.data()))[0]!.accepted).to.equal(true);
      const other = new Sender(proxies[1]!);
      const verdicts = [];
      for (const mlm of mlms) verdicts.push((await test.accept(mlm, other.data()))[0]!.accepted);
      expect(verdicts.filter(Boolean)).to.have.length(1);
    });

    it('a command waits at both under one id; the path it was done by is known', async () => {
      const id = await send({ component: proxy });
      for (const mlm of mlms) expect((await commandsIn(mlm)).map((header) => header.id)).to.deep.equal([id]);
      await answer(proxy, mlms[1]!, id);
      expect((await command(id)).state).to.equal('done');
      expect(await pathsOf(id)).to.deep.equal({ [mlms[0]!]: 'sent', [mlms[1]!]: 'done' });
    });

    it('a late expired of the path that was not used changes nothing; of both it counts', async () => {
      const said = {
        status: 'expired',
        code: 'BH-E-EXPIRED',
        text: 'not fetched',
        data: jsonElement({ members: [proxy] }),
      } as const;
      const accepted = await send({ component: proxy });
      await answer(proxy, mlms[0]!, accepted, { status: 'accepted' });
      await answer(mlms[1]!, mlms[1]!, accepted, said);
      expect((await command(accepted)).state).to.equal('accepted');
      const pending = await send({ component: proxy });
      await answer(mlms[1]!, mlms[1]!, pending, said);
      expect((await command(pending)).state).to.equal('pending');
      await answer(mlms[0]!, mlms[0]!, pending, said);
      expect(await command(pending)).to.include({ state: 'expired', code: 'BH-E-EXPIRED' });
      await answer(proxy, mlms[0]!, pending);
      expect((await command(pending)).state).to.equal('done');
    });

    it('in a group, those with one path are settled as ever', async () => {
      const id = await send({ group: 'site-a' });
      const said = {
        status: 'expired',
        code: 'BH-E-EXPIRED',
        text: 'not fetched',
        data: jsonElement({ members: [] }),
      } as const;
      for (const mlm of mlms) await answer(mlm, mlm, id, said);
      const { members } = (await test.api('GET', `/commands/${id}`)).body;
      expect(members.map(({ state }: { state: string }) => state)).to.deep.equal(['expired', 'expired']);
    });

    it('what only one MLM may send of it stays refused: another customer’s, an unknown one', async () => {
      const foreign = await test.addSite('site-b', 1, 1);
      expect((await test.accept(foreign.mlms[0]!, new Sender(proxy).data()))[0]!.code).to.equal('BH-E-SPOOF');
    });

    it('with the preferred MLM revoked, everything goes by the other', async () => {
      await test.appserver.directory.revoke(mlms[0]!);
      const id = await send({ component: proxy });
      expect((await commandsIn(mlms[1]!)).map((header) => header.id)).to.deep.equal([id]);
      expect(await commandsIn(mlms[0]!)).to.deep.equal([]);
    });
  });

  it('a full mailbox of one MLM stops nobody who has another; who has no other is refused as ever', async () => {
    await setParents(proxies[0]!, mlms);
    const { mailboxes, database } = test.appserver;
    await database.transaction(async (tx) => {
      for (let n = 0; n < QUOTA; n++) {
        const message = { id: `m${n}`, header: new Uint8Array(), body: new Uint8Array(), receivedAt: 0 };
        if (mailboxes.hasRoom(mlms[0]!, 0)) await mailboxes.put(tx, [mlms[0]!], message).catch(() => undefined);
      }
    });
    expect(mailboxes.hasRoom(mlms[0]!, 0)).to.equal(false);
    const id = await send({ component: proxies[0] });
    expect((await commandsIn(mlms[1]!)).map((header) => header.id)).to.deep.equal([id]);
    await setParents(proxies[0]!, [mlms[1]!]);
    const refused = await test.api('POST', '/commands', { destination: { component: mlms[0] }, command: 'ping' });
    expect(refused.body.code).to.equal('BH-E-SPOOL-FULL');
  });

  it('a circle, a foreign MLM, a revoked one and too many are refused, and nothing is changed', async () => {
    const foreign = (await test.addSite('site-b', 1, 1)).mlms[0]!;
    await setParents(mlms[1]!, [mlms[0]!]);
    const refusals = [
      [mlms[0]!, [mlms[1]!]], [mlms[0]!, [mlms[0]!]], [proxies[0]!, [foreign]], [proxies[0]!, [proxies[1]!]],
      [proxies[0]!, [mlms[0]!, mlms[0]!]], [proxies[0]!, ['c1.m9']],
    ] as const; // biome-ignore format: one list
    for (const [id, parents] of refusals)
      expect((await setParents(id, parents)).body.code, `${id} ${parents}`).to.equal('BH-E-TARGET');
    expect((await setParents(proxies[0]!, ['a', 'b', 'c', 'd', 'e'])).body.code).to.equal('BH-E-SCHEMA');
    expect((await setParents('c9.p1', [mlms[0]!])).status).to.equal(404);
    expect((await test.api('GET', `/components/${mlms[0]}`)).body.parents).to.deep.equal(['provider.a1']);
  });

  it('an MLM above both knows both ways to a proxy', async () => {
    const top = (await test.addSite('top', 0, 1)).mlms[0]!;
    await test.appserver.database.transaction((tx) =>
      tx.run('UPDATE "components" SET "customer" = ? WHERE "id" = ?', [['provider', top]]),
    );
    await test.appserver.directory.load();
    for (const mlm of mlms) expect((await setParents(mlm, [top])).status).to.equal(200);
    await setParents(proxies[0]!, mlms);
    const documents = (await mailbox(top)).filter(({ header }) => header.subclass === 'membership');
    const own = documents.filter(
      ({ header }) => header.destination?.kind === 'component' && header.destination.id === top,
    );
    const { components } = membershipDocument.parse(jsonOf(own.at(-1)!.content as never));
    expect(components.find(({ id }) => id === proxies[0])).to.deep.include({ parent: mlms[0], alternates: [mlms[1]] });
  });

  it('a site made with redundant paths: all MLMs for each proxy, preferred in turn', async () => {
    const made = await test.appserver.directory.ensureComponents({
      customer,
      site: 'site-a',
      mlms: 2,
      proxies: 4,
      redundant: true,
    });
    const parents = made
      .filter(({ kind }) => kind === 'proxy')
      .slice(2)
      .map((record) => record.parents);
    expect(parents).to.deep.equal([mlms, [...mlms].reverse()]);
  });

  describe('a support instance at two proxies', () => {
    let twins: string[];
    beforeEach(async () => {
      twins = [];
      for (const [index, proxy] of proxies.entries()) {
        const sender = new Sender(proxy, 'aa'.repeat(8));
        const id = `${proxy}.s${index + 3}`;
        const registered = sender.data(
          { kind: 'instance', id, platform: 'redfish', managementId: 'rack-7', name: 'rack 7' },
          { class: 'infrastructure', subclass: 'registration' },
        );
        const [verdict] = await test.accept(mlms[index]!, registered);
        expect(verdict!.accepted, JSON.stringify(verdict)).to.equal(true);
        twins.push(id);
      }
    });

    it('is shown as one machine with two paths', async () => {
      const shown = (await test.api('GET', `/inventory/${twins[0]}`)).body;
      expect(shown.twins).to.deep.equal([twins[1]]);
    });

    it('a command goes by the preferred path; by the other, too, when it is not accepted in time; both with one event key', async () => {
      const id = await send({ instance: twins[0] });
      const [first] = await commandsIn(mlms[0]!);
      expect(first).to.deep.include({
        id,
        instance: twins[0],
        eventKey: `command/${id}`,
        destination: { kind: 'component', id: proxies[0] },
      });
      await clock.advance(29_000);
      expect(await commandsIn(mlms[1]!)).to.deep.equal([]);
      await clock.advance(3_000);
      const [second] = await commandsIn(mlms[1]!);
      expect(second).to.deep.include({
        instance: twins[1],
        eventKey: `command/${id}`,
        destination: { kind: 'component', id: proxies[1] },
      });
      await answer(proxies[1]!, mlms[1]!, second!.id);
      expect((await command(id)).state).to.equal('done');
      await answer(proxies[0]!, mlms[0]!, id, { text: 'late' });
      expect(await command(id)).to.include({ state: 'done', text: 'pong' });
      expect(await pathsOf(id)).to.deep.equal({ [proxies[0]!]: 'duplicate', [proxies[1]!]: 'done' });
    });

    it('accepted in time, it stays on its path', async () => {
      const id = await send({ instance: twins[0] });
      await answer(proxies[0]!, mlms[0]!, id, { status: 'accepted' });
      await clock.advance(120_000);
      expect(await commandsIn(mlms[1]!)).to.deep.equal([]);
      expect(await pathsOf(id)).to.deep.equal({ [proxies[0]!]: 'accepted', [proxies[1]!]: 'planned' });
    });

    it('refused by one, it goes by the other at once; refused by both, it is refused', async () => {
      const id = await send({ instance: twins[0] });
      const refused = { status: 'refused', code: 'BH-E-BUSY', text: 'no' } as const;
      await answer(proxies[0]!, mlms[0]!, id, refused);
      expect((await command(id)).state).to.equal('pending');
      await clock.advance(1_500);
      const [second] = await commandsIn(mlms[1]!);
      await answer(proxies[1]!, mlms[1]!, second!.id, refused);
      expect(await command(id)).to.include({ state: 'refused', code: 'BH-E-BUSY' });
    });

    it('a later path whose mailbox is full is refused, and leaves nothing behind', async () => {
      const id = await send({ instance: twins[0] });
      while (test.appserver.mailboxes.hasRoom(mlms[1]!, 0)) await send({ component: mlms[1] });
      const counts = `SELECT (SELECT COUNT(*) FROM "mailboxMessages") AS "copies", (SELECT COUNT(*) FROM "messages") AS "messages",
        (SELECT SUM("last") FROM "numbering") AS "numbers"`;
      const before = await test.appserver.database.read(counts, []);
      await clock.advance(32_000);
      expect(await pathsOf(id)).to.deep.equal({ [proxies[0]!]: 'sent', [proxies[1]!]: 'refused' });
      expect(await test.appserver.database.read(counts, [])).to.deep.equal(before);
    });

    it('no path is taken after its expiry, and none after a restart twice', async () => {
      const short = await send({ instance: twins[0] }, { expiresInMs: 10_000 });
      const long = await send({ instance: twins[0] });
      await clock.advance(31_500);
      await test.restart();
      await clock.advance(5_000);
      expect((await commandsIn(mlms[1]!)).map(({ eventKey }) => eventKey)).to.deep.equal([`command/${long}`]);
      expect((await pathsOf(short))[proxies[1]!]).to.equal('planned');
    });

    it('an instance nobody knows is refused', async () => {
      const { body } = await test.api('POST', '/commands', { destination: { instance: 'c1.p1.s99' }, command: 'ping' });
      expect(body.code).to.equal('BH-E-TARGET');
    });
  });

  it('whatever the order of words, the first outcome stands, and a path that came to nothing never undoes one', () => {
    const states: PathState[] = ['accepted', 'done', 'failed', 'refused', 'expired', 'revoked'];
    const word = fc.record({ path: fc.constantFrom('a', 'b'), state: fc.constantFrom(...states), own: fc.boolean() });
    fc.assert(
      fc.property(
        fc.constantFrom('parent' as const, 'proxy' as const),
        fc.array(word, { maxLength: 8 }),
        (kind, words) => {
          const paths = new Map<string, PathState>([
            ['a', 'sent'],
            ['b', 'sent'],
          ]);
          let member = 'pending';
          let outcome: string | undefined;
          for (const { path, state, own } of words) {
            const negative = ['refused', 'expired', 'revoked'].includes(state);
            const one = { path, state, own: own || !negative };
            const rows = [...paths].map(([name, now]) => ({ path: name, kind, state: now }));
            const merged = mergeWord(member, rows, one);
            paths.set(path, merged.path);
            member = merged.member ?? member;
            if (outcome !== undefined) expect(member).to.equal(outcome);
            if (member === 'done' || member === 'failed') outcome ??= member;
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
