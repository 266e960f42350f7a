import { writeStatus } from '@backhaul/envelope';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import type { ServiceModule } from '../src/index.ts';
import { FAULTS_BEFORE_DEAD_LETTER } from '../src/receiver/refusals.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const HOSTILE = `"><img src=x onerror=alert(1)><script>alert(1)</script>`;
/** What is missing is in flight for so long before anybody's word that it has it not counts. */
const LEDGER_GRACE_MS = 300_000;
const PAGES = ['overdue', 'ledger', 'dead-letters', 'notifications'];

/** Fails on everything it is given, until it is repaired. */
const choking: ServiceModule & { isRepaired: boolean } = {
  name: 'choking',
  subscriptions: [{ class: 'x-food' }],
  migrations: [],
  isRepaired: false,
  async handle() {
    if (!choking.isRepaired) throw new Error(HOSTILE);
    return undefined;
  },
};

describe('Portal: operations', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxy: string;
  let cookie: string;
  const clock = new FakeClock(Date.now());

  before(async () => {
    test = await TestAppserver.create({ clock, modules: [choking], config: { ledger: { graceMs: 0 } } });
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxy = site.proxies[0]!;
    const login = await test.http('GET', '/portal/login');
    const entered = await post('/portal/login', { secret: test.secret, csrf: tokenIn(login.text) }, cookieOf(login));
    cookie = cookieOf(entered);
  });
  after(() => test.stop());
  beforeEach(() => {
    choking.isRepaired = false;
  });

  const cookieOf = (answer: { headers: Record<string, string | string[] | undefined> }) =>
    String(answer.headers['set-cookie']).split(';')[0]!;
  const tokenIn = (text: string) => /name="csrf" value="([^"]+)"/.exec(text)![1]!;
  const get = async (path: string) => (await test.http('GET', `/portal/${path}`, { headers: { cookie } })).text;
  const post = (path: string, fields: Record<string, string>, as = cookie, origin = test.appserver.staff.url) =>
    test.http('POST', path, {
      body: new URLSearchParams(fields).toString(),
      headers: { origin, cookie: as, 'content-type': 'application/x-www-form-urlencoded' },
    });
  let epochs = 0;
  const deadLetter = async () => {
    const message = new Sender(proxy, (++epochs).toString(16).padStart(16, '0')).data(
      { text: HOSTILE },
      { class: 'x-food', subclass: 'stone' },
    );
    for (let n = 0; n < FAULTS_BEFORE_DEAD_LETTER; n++) {
      await test.accept(mlm, message);
      await clock.advance(60_000);
    }
    const { items } = (await test.api('GET', '/dead-letters')).body;
    return items.find(({ id }: { id: string }) => id === message.header.id).number as number;
  };
  const stateOf = async (number: number) => (await test.api('GET', `/dead-letters/${number}`)).body.state;

  it('shows no page without a session, and no form does anything', async () => {
    for (const page of [...PAGES, 'dead-letters/1'])
      expect((await test.http('GET', `/portal/${page}`)).headers['location'], page).to.equal('/portal/login');
    const number = await deadLetter();
    expect((await post(`/portal/dead-letters/${number}/discard`, { reason: 'x' }, '')).status).to.equal(303);
    expect(await stateOf(number)).to.equal('waiting');
  });

  it('every page says where one is, and what there is when there is nothing', async () => {
    for (const page of PAGES) expect(await get(page)).to.contain(`href="/portal/${page}" aria-current="page"`);
    expect(await get('notifications')).to.contain('No sender is configured');
  });

  it('the ledger says what became of each range; a gap is red', async () => {
    const source = new Sender(proxy, 'ee'.repeat(8));
    const numbered = (sequence: number) => source.data({}, { sequence, class: 'x-ledger' });
    await test.accept(mlm, numbered(1), numbered(2), numbered(7));
    const tombstone = { source: proxy, epoch: source.epoch, lane: numbered(9).header.lane, from: 3, to: 4 };
    await test.accept(
      mlm,
      source.receipts([{ ...tombstone, reason: 'filtered', rule: HOSTILE.slice(0, 40) }], { lane: 0 }),
    );
    expect(await get(`ledger?source=${proxy}`)).to.contain(`in flight at or below <code>${mlm}</code>`);
    await clock.advance(LEDGER_GRACE_MS + 1);
    for (const one of [new Sender(mlm, 'ef'.repeat(8)), source]) {
      const status = writeStatus(clock.now(), { kind: 'proxy', id: one.id, state: 'ok', children: [] });
      await test.accept(mlm, one.message(status, { class: 'infrastructure', subclass: 'heartbeat', lane: 2 }));
    }
    const text = await get(`ledger?source=${proxy}`);
    expect(text)
      .to.contain('<span class="pill bad">2 unexplained</span>')
      .and.to.contain('<span class="pill bad">unexplained</span>');
    expect(text).to.contain('<span class="pill good">delivered</span>').and.to.contain('filtered');
    expect(await get('ledger?source=c9.p9')).to.contain('Nothing has arrived from c9.p9 yet.');
    expect(await get('ledger?source=%3Cscript%3E')).to.not.contain('<script');
  });

  it('T-A21: hostile text of a dead letter is text, in the list and on its page', async () => {
    const number = await deadLetter();
    for (const page of ['dead-letters', `dead-letters/${number}`]) {
      const text = await get(page);
      expect(text, page).to.contain('&lt;script&gt;alert(1)');
      expect(text, page).to.not.match(/<script|<img/i);
    }
  });

  it('replays a dead letter, and says what came of it', async () => {
    const number = await deadLetter();
    choking.isRepaired = true;
    const csrf = tokenIn(await get(`dead-letters/${number}`));
    const answer = await post(`/portal/dead-letters/${number}/replay`, { csrf });
    expect([answer.status, answer.headers['location']]).to.deep.equal([303, '/portal/dead-letters?done=delivered']);
    expect(await stateOf(number)).to.equal('replayed');
    expect(await get('dead-letters?done=delivered')).to.contain('It was given to the service modules again');
    expect(await get('dead-letters?done=%3Cb%3E')).to.not.contain('role="status"');
  });

  it('discards one with a reason, and not without', async () => {
    const number = await deadLetter();
    const csrf = tokenIn(await get(`dead-letters/${number}`));
    expect((await post(`/portal/dead-letters/${number}/discard`, { csrf, reason: ' ' })).body.code).to.equal(
      'BH-E-QUERY',
    );
    expect((await post(`/portal/dead-letters/${number}/discard`, { csrf, reason: 'broken sender' })).status).to.equal(
      303,
    );
    expect(await stateOf(number)).to.equal('discarded');
    expect(await get('dead-letters?state=discarded')).to.contain(`/portal/dead-letters/${number}`);
  });

  it('T-A21: a form from elsewhere decides nothing', async () => {
    const number = await deadLetter();
    const csrf = tokenIn(await get(`dead-letters/${number}`));
    for (const verb of ['replay', 'discard']) {
      const path = `/portal/dead-letters/${number}/${verb}`;
      const tries = [
        post(path, { reason: 'x' }),
        post(path, { reason: 'x', csrf: 'guess' }),
        post(path, { reason: 'x', csrf }, cookie, 'https://evil.example'),
      ];
      for (const answer of await Promise.all(tries))
        expect([answer.status, answer.body.code]).to.deep.equal([403, 'BH-E-CSRF']);
    }
    expect(await stateOf(number)).to.equal('waiting');
  });

  it('shows who is overdue, and what was told', async () => {
    test.appserver.core.lastHeard.heard(proxy, clock.now());
    test.appserver.core.lastHeard.heard(mlm, clock.now());
    for (let n = 0; n < 40; n++) {
      test.appserver.core.lastHeard.heard(mlm, clock.now());
      await clock.advance(10_000);
    }
    await test.appserver.database.transaction(async () => undefined);
    expect(await get('overdue'))
      .to.contain(proxy)
      .and.to.contain('1 overdue');
    expect(await get('notifications'))
      .to.contain('component.overdue')
      .and.to.contain(`proxy ${proxy}`);
  });
});
