import { expect } from 'chai';
import fc from 'fast-check';
import { html } from '../src/portal/html.ts';
import { SUMMARY_LINES } from '../src/queries/summary.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

/** What would run, or leave its place, if it were taken for markup [T-A21]. */
const PAYLOADS = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  `' onmouseover='alert(1)`,
  '</td></tr></table><svg onload=alert(1)>',
  '<!-- --><iframe srcdoc="<script>1</script>">',
  '{{constructor.constructor("alert(1)")()}}',
  'javascript:alert(1)',
  '\u202etxt.exe\u2066',
  '&lt;b&gt;&amp;#x3c;',
  '</textarea></style></title><base href=//evil>',
];

describe('Portal', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxy: string;

  before(async () => {
    test = await TestAppserver.create();
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxy = site.proxies[0]!;
  });
  after(() => test.stop());

  const origin = () => test.appserver.staff.url;
  const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    test.http('POST', path, {
      body: form(fields),
      headers: { origin: origin(), 'content-type': 'application/x-www-form-urlencoded', ...headers },
    });
  const cookieOf = (answer: { headers: Record<string, string | string[] | undefined> }) =>
    String(answer.headers['set-cookie']).split(';')[0]!;
  const tokenIn = (text: string) => /name="csrf" value="([^"]+)"/.exec(text)![1]!;

  async function loginForm() {
    const page = await test.http('GET', '/portal/login');
    return { csrf: tokenIn(page.text), cookie: cookieOf(page) };
  }

  async function logIn(secret = test.secret) {
    const { csrf, cookie } = await loginForm();
    return post('/portal/login', { secret, csrf }, { cookie });
  }

  it('T-A35: classes, rules and places that a sender makes up do not make the page any longer', async () => {
    const source = new Sender(proxy, 'cd'.repeat(8));
    const ranges = Array.from({ length: 2_000 }, (_, n) => ({
      ...{ source: proxy, epoch: source.epoch, lane: 4 as const, from: n + 1, to: n + 1 },
      ...{ reason: 'filtered' as const, rule: `made up ${n}` },
    }));
    await test.accept(mlm, source.receipts(ranges, { lane: 6 }));
    for (let n = 0; n < 500; n += 100) {
      const odd = Array.from({ length: 100 }, (_, m) => source.data({}, { class: 'x-made-up', subclass: `s${n + m}` }));
      await test.accept(mlm, ...odd);
    }
    const { body } = await test.api('GET', '/metrics-summary');
    expect(body.removed).to.have.length(SUMMARY_LINES);
    expect(body.messages).to.have.length(SUMMARY_LINES);
    expect(body.filtered).to.equal(2_000);
  });

  it('shows nothing without a session', async () => {
    const answer = await test.http('GET', '/portal');
    expect([answer.status, answer.headers['location']]).to.deep.equal([303, '/portal/login']);
    const forged = await test.http('GET', '/portal', { headers: { cookie: '__Host-backhaul=guess' } });
    expect(forged.headers['location']).to.equal('/portal/login');
    expect((await test.http('GET', '/')).headers['location']).to.equal('/portal');
  });

  it('lets in with the admin secret; the cookie is for TLS, this host and HTTP only', async () => {
    const answer = await logIn();
    expect([answer.status, answer.headers['location']]).to.deep.equal([303, '/portal']);
    expect(String(answer.headers['set-cookie'])).to.match(
      /^__Host-backhaul=[\w-]{43}; Path=\/; Max-Age=28800; Secure; HttpOnly; SameSite=Strict$/,
    );
    const page = await test.http('GET', '/portal', { headers: { cookie: cookieOf(answer) } });
    expect(page.status).to.equal(200);
    expect(page.headers['cache-control']).to.equal('no-store');
    expect(page.text).to.contain(proxy).and.to.contain('never heard').and.to.contain('No open alarms');
  });

  it('says so when the secret is not right', async () => {
    const own = await logIn('wrong');
    expect(own.status).to.equal(401);
    expect(own.text).to.contain('That is not the secret.');
  });

  it('T-A21: takes forms from its own pages only', async () => {
    const { csrf, cookie } = await loginForm();
    const secret = test.secret;
    const tries = [
      post('/portal/login', { secret, csrf }, { cookie, origin: 'https://evil.example' }),
      post('/portal/login', { secret, csrf }, { cookie, origin: 'null' }),
      post('/portal/login', { secret, csrf }, { cookie, 'sec-fetch-site': 'cross-site' }),
      post('/portal/login', { secret, csrf: 'other' }, { cookie }),
      post('/portal/login', { secret, csrf }),
      post('/portal/login', { secret }),
    ];
    for (const answer of await Promise.all(tries))
      expect([answer.status, answer.body.code]).to.deep.equal([403, 'BH-E-CSRF']);
  });

  it('logs out with the token of the session only; the session is over then', async () => {
    const cookie = cookieOf(await logIn());
    const csrf = tokenIn((await test.http('GET', '/portal', { headers: { cookie } })).text);
    expect((await post('/portal/logout', { csrf: 'guess' }, { cookie })).body.code).to.equal('BH-E-CSRF');
    expect((await test.http('GET', '/portal', { headers: { cookie } })).status).to.equal(200);
    expect((await post('/portal/logout', { csrf }, { cookie })).status).to.equal(303);
    expect((await test.http('GET', '/portal', { headers: { cookie } })).headers['location']).to.equal('/portal/login');
  });

  it('T-A21: shows what comes from outside as text, whatever it is', async () => {
    const source = new Sender(proxy);
    for (const [n, payload] of PAYLOADS.entries()) {
      const alarm = source.alarm({
        alarmId: `a${n} ${payload.slice(0, 40)}`,
        text: payload,
        location: payload.slice(0, 60),
      });
      expect((await test.accept(mlm, alarm))[0]).to.deep.equal({ accepted: true });
    }
    const cookie = cookieOf(await logIn());
    const { text, headers } = await test.http('GET', '/portal', { headers: { cookie } });
    expect(text).to.contain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(text).to.not.match(/<script|<img|<svg|<iframe|<base|<!--/i);
    for (const tag of text.match(/<[^!>][^>]*>/g)!) expect(tag, tag).to.not.match(/\son\w+\s*=(?![^"]*"[^"]*$)/i);
    expect(text).to.not.contain('\u202e');
    expect(headers['content-security-policy']).to.contain(`script-src 'none'`).and.to.contain(`frame-ancestors 'none'`);
  });

  it('escapes everything that is not markup made by the template', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = html`<p title="${text}">${[text, html`<b>${text}</b>`]}</p>`.toString();
        expect(shown.replace(/^<p title="|">|<b>|<\/b>|<\/p>$/g, '')).to.not.match(/[<>"']/);
      }),
    );
  });

  it('loads without a script, follows the system’s colours, and reloads itself', async () => {
    const cookie = cookieOf(await logIn());
    const { text } = await test.http('GET', '/portal', { headers: { cookie } });
    expect(text)
      .to.contain('<meta http-equiv="refresh"')
      .and.to.contain('name="color-scheme"')
      .and.to.not.contain('style=');
    const style = await test.http('GET', '/portal/style.css');
    expect(style.headers['content-type']).to.contain('text/css');
    expect(style.text).to.contain('light-dark(');
  });
});
