import { jsonElement, jsonOf, type MessageResponse, readContent, readHeader } from '@backhaul/envelope';
import { membershipDocument } from '@backhaul/identity';
import { FakeClock, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const BUDGET = { maxMessages: 100, maxBytes: 10_000_000 };

describe('Commands and memberships', () => {
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

  const mailbox = async (owner = mlm) =>
    (await test.appserver.mailboxes.read(owner, BUDGET)).messages.map(({ number, header, body }) => ({
      number,
      header: readHeader(Buffer.from(header)),
      content: readContent(Buffer.from(body)),
    }));
  const send = (destination: object, more: object = {}) =>
    test.api('POST', '/commands', { destination, command: 'ping', ...more });
  const answer = (source: Sender, request: string, given: Partial<MessageResponse> = {}) =>
    source.message(
      { type: 'messageResponse', request, status: 'done', text: 'pong', ...given },
      { class: 'command', subclass: 'ping' },
    );
  const members = async (id: string) => (await test.api('GET', `/commands/${id}`)).body.members;
  const membershipsOf = async (owner: string) =>
    (await mailbox(owner))
      .filter(({ header }) => header.subclass === 'membership')
      .map(({ content }) => membershipDocument.parse(jsonOf(content as never)));

  it('a command to a group is one message per next hop; each member’s outcome is known', async () => {
    const before = (await mailbox()).length;
    const { id } = (await send({ group: 'site-a' }, { parameters: { verbose: true } })).body;
    const added = (await mailbox()).slice(before);
    expect(added).to.have.length(1);
    expect(added[0]!.header).to.deep.include({
      id,
      class: 'command',
      subclass: 'ping',
      destination: { kind: 'group', name: 'site-a' },
    });
    expect(jsonOf(added[0]!.content as never)).to.deep.equal({ parameters: { verbose: true } });
    const [a, b, c] = proxies.map((proxy) => new Sender(proxy, '1'.repeat(16)));
    await test.accept(
      mlm,
      answer(a!, id, { data: jsonElement({ up: 5 }) }),
      answer(b!, id, { status: 'refused', code: 'BH-E-COMMAND-UNKNOWN', text: 'no' }),
    );
    await test.accept(mlm, answer(c!, id, { status: 'accepted', text: 'wait' }));
    const states = await members(id);
    expect(states.map(({ state }: { state: string }) => state)).to.deep.equal(['done', 'refused', 'accepted']);
    expect(states[0].result).to.deep.equal({ up: 5 });
    expect(states[1]).to.include({ code: 'BH-E-COMMAND-UNKNOWN', text: 'no' });
    await test.accept(mlm, answer(c!, id), answer(c!, id, { status: 'accepted', text: 'late' }));
    expect((await members(id))[2].state).to.equal('done');
  });

  it('members are frozen when the command is given', async () => {
    const site = await test.addSite('site-frozen', 1);
    const { id } = (await send({ group: 'site-frozen' })).body;
    await test.appserver.directory.ensureComponents({
      customer: site.customer,
      site: 'site-frozen',
      mlms: 1,
      proxies: 2,
    });
    expect(await members(id)).to.have.length(1);
  });

  it('a group over two sites goes once to each of them', async () => {
    const site = await test.addSite('site-b', 1);
    await test.api('PUT', '/groups/both', { members: [...proxies, ...site.proxies] });
    const { id } = (await send({ group: 'both' })).body;
    for (const owner of [mlm, site.mlms[0]!])
      expect((await mailbox(owner)).filter(({ header }) => header.id === id)).to.have.length(1);
    expect((await test.api('GET', `/commands/${id}`)).body.customer).to.equal('provider');
  });

  it('an unknown, an empty and a revoked target match nobody, and nothing is written', async () => {
    const before = (await mailbox()).length;
    const site = await test.addSite('site-empty', 1);
    await test.appserver.directory.revoke(site.proxies[0]!);
    for (const destination of [{ group: 'site-empty' }, { group: 'nowhere' }, { component: site.proxies[0]! }]) {
      expect((await send(destination)).body.code, JSON.stringify(destination)).to.equal('BH-E-TARGET');
    }
    expect(await mailbox()).to.have.length(before);
  });

  it('an answer of who was not asked is stored with a note, and changes nothing', async () => {
    const { id } = (await send({ component: proxies[0] })).body;
    const stray = answer(new Sender(proxies[1]!, '2'.repeat(16)), id);
    await test.accept(mlm, stray);
    expect((await members(id)).map(({ state }: { state: string }) => state)).to.deep.equal(['pending']);
    expect((await test.api('GET', `/messages/${stray.header.id}`)).body.note).to.contain('was not asked');
  });

  it('an MLM settles the members it names, those below it only; a final word of their own stands', async () => {
    const elsewhere = await test.addSite('site-else', 1);
    await test.api('PUT', '/groups/mixed', { members: [...proxies, ...elsewhere.proxies] });
    const { id } = (await send({ group: 'mixed' })).body;
    await test.accept(mlm, answer(new Sender(proxies[0]!, '4'.repeat(16)), id));
    const manager = new Sender(mlm, '5'.repeat(16));
    const said = { status: 'expired', code: 'BH-E-EXPIRED', text: 'not fetched in time' } as const;
    const named = [proxies[0]!, proxies[1]!, elsewhere.proxies[0]!];
    await test.accept(mlm, answer(manager, id, { ...said, data: jsonElement({ members: named }) }));
    const states = Object.fromEntries(
      (await members(id)).map(({ component, state, code }: Record<string, string>) => [component, code ?? state]),
    );
    expect(states).to.deep.equal({
      [proxies[0]!]: 'done',
      [proxies[1]!]: 'BH-E-EXPIRED',
      [proxies[2]!]: 'pending',
      [elsewhere.proxies[0]!]: 'pending',
    });
    await test.accept(mlm, answer(new Sender(proxies[1]!, '6'.repeat(16)), id));
    expect((await members(id)).map(({ state }: { state: string }) => state)).to.include.members(['done', 'done']);
  });

  it('an MLM that names nobody speaks for all below it; no proxy speaks for another', async () => {
    const { id } = (await send({ group: 'site-a' })).body;
    const said = { status: 'refused', code: 'BH-E-TARGET', text: 'matches nobody' } as const;
    const others = { ...said, data: jsonElement({ members: [proxies[1]!] }) };
    await test.accept(mlm, answer(new Sender(proxies[0]!, '7'.repeat(16)), id, others));
    expect((await members(id)).map(({ state }: { state: string }) => state)).to.deep.equal(Array(3).fill('pending'));
    const manager = new Sender(mlm, '8'.repeat(16));
    await test.accept(mlm, answer(manager, id, { ...said, data: jsonElement({ members: [] }) }));
    expect((await members(id)).map(({ code }: { code: string }) => code)).to.deep.equal(Array(3).fill('BH-E-TARGET'));
  });

  it('taken back before it is fetched, it is gone; behind what a hop may have, a revocation goes the same way', async () => {
    const revoke = (id: string) => test.api('POST', `/messages/${id}/revoke`, { reason: 'the wrong site' });
    await mailbox();
    const { id } = (await send({ group: 'site-a' })).body;
    expect((await revoke(id)).body).to.deep.equal({ revoked: proxies, asked: [] });
    expect((await mailbox()).some(({ header }) => header.id === id)).to.equal(false);
    for (const member of await members(id))
      expect(member).to.include({ state: 'revoked', code: 'BH-E-REVOKED', text: 'the wrong site' });
    expect((await revoke(id)).body.code).to.equal('BH-E-CONFLICT');
    expect((await revoke('0'.repeat(26))).body.code).to.equal('BH-E-NOT-FOUND');

    const fetched = (await send({ group: 'site-a' })).body.id;
    await mailbox(); // read, so it may have arrived
    await test.accept(mlm, answer(new Sender(proxies[0]!, 'a1'.repeat(8)), fetched));
    expect((await revoke(fetched)).body).to.deep.equal({ revoked: [], asked: proxies.slice(1) });
    const behind = (await mailbox()).at(-1)!;
    expect(behind.header).to.include({ class: 'infrastructure', subclass: 'revocation' });
    expect(behind.header.destination).to.deep.equal({ kind: 'group', name: 'site-a' });
    expect(jsonOf(behind.content as never)).to.deep.equal({ message: fetched, reason: 'the wrong site' });
    const said = { status: 'refused', code: 'BH-E-REVOKED', text: 'taken back' } as const;
    const manager = new Sender(mlm, 'a2'.repeat(8));
    await test.accept(mlm, answer(manager, fetched, { ...said, data: jsonElement({ members: [proxies[1]!] }) }));
    await test.accept(mlm, answer(new Sender(proxies[2]!, 'a3'.repeat(8)), fetched));
    const states = (await members(fetched)).map(({ state }: { state: string }) => state);
    expect(states).to.deep.equal(['done', 'revoked', 'done']);
  });

  it('past its time it leaves the mailbox, and who has not answered counts as expired; a late answer still counts', async () => {
    const { id } = (await send({ group: 'site-a' }, { expiresInMs: 10_000 })).body;
    await clock.advance(70_000);
    await until('expired', async () =>
      (await members(id)).every(({ state }: { state: string }) => state === 'expired'),
    );
    expect((await mailbox()).some(({ header }) => header.id === id)).to.equal(false);
    await test.accept(mlm, answer(new Sender(proxies[0]!, '3'.repeat(16)), id));
    expect((await members(id))[0].state).to.equal('done');
  });

  it('sequences of a lane have no holes, across restarts too', async () => {
    for (let n = 0; n < 3; n++) await send({ group: 'site-a' });
    await test.restart();
    await send({ group: 'site-a' });
    const rows = await test.queries
      .from('messages')
      .select(['lane', 'sequence'])
      .where('direction', '=', 'down')
      .orderBy('number')
      .execute();
    for (const [lane, list] of Map.groupBy(rows, (row) => row.lane))
      expect(
        list.map(({ sequence }) => sequence),
        `lane ${lane}`,
      ).to.deep.equal(list.map((_, n) => n + 1));
  });

  it('the membership of an MLM goes ahead of what relies on it, with a rising version', async () => {
    const site = await test.addSite('site-m', 2);
    const owner = site.mlms[0]!;
    const [first] = await membershipsOf(owner);
    expect(first).to.deep.include({ version: 1, groups: { 'site-m': site.proxies } });
    expect(first!.components.map(({ id }) => id)).to.deep.equal([owner, ...site.proxies]);
    await test.appserver.directory.ensureComponents({ customer: site.customer, site: 'site-m', mlms: 1, proxies: 3 });
    await send({ group: 'site-m' });
    const kinds = (await mailbox(owner)).map(({ header }) => header.subclass);
    expect(kinds).to.deep.equal(['membership', 'membership', 'ping']);
    await test.appserver.directory.revoke(site.proxies[0]!);
    const [, second, third] = await membershipsOf(owner);
    expect([second!.version, third!.version]).to.deep.equal([2, 3]);
    expect(third!.components.find(({ id }) => id === site.proxies[0])!.state).to.equal('revoked');
    expect(third!.groups['site-m']).to.not.include(site.proxies[0]);
  });

  it('a newer membership takes the place of an unread one on which nothing relies; those above stay first', async () => {
    const { customer, mlms, proxies: below } = await test.addSite('site-n', 2);
    const [top] = mlms as [string];
    const { directory } = test.appserver;
    const under = { customer, site: 'site-under', mlms: 1, proxies: 2, parent: top };
    await directory.addSite(customer, under.site);
    const [mlm, proxy] = await directory.ensureComponents(under);
    const other = await send({ component: below[1] });
    await directory.revoke(below[0]!); // the top’s alone
    await directory.revoke(proxy!.id); // of both
    const kinds = (await mailbox(top)).map(({ header }) => [header.subclass, header.destination]);
    const memberships = [top, mlm!.id].map((id) => ['membership', { kind: 'component', id }]);
    expect(other.status).to.equal(202);
    expect(kinds).to.deep.equal([...memberships, ['ping', { kind: 'component', id: below[1] }], ...memberships]);
    expect((await membershipsOf(top)).map(({ version }) => version)).to.deep.equal([2, 1, 4, 2]);
  });

  it('the full mailbox of an MLM that is away keeps nobody from revoking what stands below it', async () => {
    const small = await TestAppserver.create({ config: { mailbox: { maxMessages: 5 } } });
    const { mlms, proxies: below } = await small.addSite('site-a', 12);
    const [owner] = mlms as [string];
    const { directory, mailboxes } = small.appserver;
    const ping = () => small.api('POST', '/commands', { destination: { component: below[0] }, command: 'ping' });
    const statuses: number[] = [];
    for (let n = 0; n < 5; n++) statuses.push((await ping()).status);
    expect(statuses).to.deep.equal([202, 202, 202, 202, 503]);
    for (const id of below.slice(1, 6)) await directory.revoke(id);
    expect(await mailboxes.depth(owner)).to.include({ messages: 6 });
    const page = await mailboxes.read(owner, BUDGET); // it may have come, or not
    for (const id of below.slice(6)) await directory.revoke(id);
    const again = await mailboxes.read(owner, BUDGET);
    const subclasses = again.messages.map(({ header }) => readHeader(Buffer.from(header)).subclass);
    expect(subclasses).to.deep.equal(['membership', 'ping', 'ping', 'ping', 'ping', 'membership']);
    const { components } = membershipDocument.parse(
      jsonOf(readContent(Buffer.from(again.messages.at(-1)!.body)) as never),
    );
    expect(components.filter(({ state }) => state === 'revoked').map(({ id }) => id)).to.have.members(below.slice(1));
    await mailboxes.acknowledge(owner, page.epoch, page.through);
    expect(await mailboxes.depth(owner)).to.include({ messages: 1 });
    await small.stop();
  });

  it('a change elsewhere makes no new membership', async () => {
    const before = (await membershipsOf(mlm)).length;
    await test.addSite('site-elsewhere', 1);
    expect(await membershipsOf(mlm)).to.have.length(before);
  });

  it('an MLM below another knows its own subtree; its messages go through the one above', async () => {
    const top = await test.addSite('aggregation', 0);
    const { id: customer } = await test.appserver.directory.addCustomer('Far away');
    await test.appserver.directory.addSite(customer, 'far');
    const parts = await test.appserver.directory.ensureComponents({
      customer,
      site: 'far',
      mlms: 1,
      proxies: 1,
      parent: top.mlms[0]!,
    });
    const documents = await membershipsOf(top.mlms[0]!);
    const ids = (document: { components: readonly { id: string }[] }) => document.components.map(({ id }) => id);
    expect(ids(documents.at(-2)!)).to.deep.equal([...top.mlms, ...parts.map(({ id }) => id)]);
    expect(ids(documents.at(-1)!)).to.deep.equal(parts.map(({ id }) => id));
    const { id } = (await send({ group: 'far' })).body;
    expect((await mailbox(top.mlms[0]!)).some(({ header }) => header.id === id)).to.equal(true);
  });
});
