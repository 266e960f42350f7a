import { request as rawRequest } from 'node:https';
import { connect as tlsConnect } from 'node:tls';
import SwaggerParser from '@apidevtools/swagger-parser';
import { FakeClock, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { z } from 'zod';
import { allRoutes } from '../src/api/all-routes.ts';
import type { Route } from '../src/api/route.ts';
import { openApiDocument } from '../src/index.ts';
import { builtInModules } from '../src/service-modules/built-in-modules.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver, tls } from './support/test-appserver.ts';

const ROUTES = allRoutes(builtInModules());

/** T-A32: every route, and who may call it. A route that is not here fails the build; so does one that is here and not there. */
const TABLE: readonly [method: string, path: string, auth: 'public' | 'staff'][] = [
  ['get', '/version', 'public'],
  ['get', '/openapi.json', 'public'],
  ['get', '/status', 'staff'],
  ['get', '/customers', 'staff'],
  ['post', '/customers', 'staff'],
  ['get', '/customers/:id/sites', 'staff'],
  ['post', '/customers/:id/sites', 'staff'],
  ['post', '/customers/:id/sites/:site/package', 'staff'],
  ['get', '/components', 'staff'],
  ['get', '/components/:id', 'staff'],
  ['post', '/components/:id/revoke', 'staff'],
  ['get', '/groups', 'staff'],
  ['put', '/groups/:name', 'staff'],
  ['get', '/messages', 'staff'],
  ['get', '/messages/:id', 'staff'],
  ['get', '/messages/:id/trace', 'staff'],
  ['post', '/messages/:id/revoke', 'staff'],
  ['get', '/ledger', 'staff'],
  ['get', '/metrics-summary', 'staff'],
  ['get', '/dead-letters', 'staff'],
  ['get', '/dead-letters/:number', 'staff'],
  ['post', '/dead-letters/:number/replay', 'staff'],
  ['post', '/dead-letters/:number/discard', 'staff'],
  ['post', '/components/:id/dead-letters', 'staff'],
  ['post', '/components/:id/dead-letters/:number/read', 'staff'],
  ['post', '/components/:id/dead-letters/:number/replay', 'staff'],
  ['post', '/components/:id/dead-letters/:number/discard', 'staff'],
  ['get', '/artifacts', 'staff'],
  ['post', '/artifacts', 'staff'],
  ['put', '/components/:id/parents', 'staff'],
  ['get', '/overdue', 'staff'],
  ['get', '/mailboxes', 'staff'],
  ['get', '/mailboxes/:owner', 'staff'],
  ['post', '/mailboxes/:owner/poke', 'staff'],
  ['get', '/notifications', 'staff'],
  ['get', '/notification-senders', 'staff'],
  ['post', '/notification-senders/:name/test', 'staff'],
  ['get', '/alarms', 'staff'],
  ['post', '/pushes', 'staff'],
  ['get', '/pushes', 'staff'],
  ['get', '/pushes/:id', 'staff'],
  ['get', '/inventory', 'staff'],
  ['get', '/inventory/:instance', 'staff'],
  ['post', '/commands', 'staff'],
  ['get', '/commands', 'staff'],
  ['get', '/commands/:id', 'staff'],
  ['get', '/services/patch-management', 'staff'],
  ['get', '/services/configuration-management', 'staff'],
  ['get', '/services/storage-monitoring', 'staff'],
];

const METHODS = ['get', 'post', 'put', 'delete', 'patch'] as const;

describe('Staff API', () => {
  let test: TestAppserver;
  let customer: string;
  let mlm: string;
  let proxies: string[];

  before(async () => {
    test = await TestAppserver.create();
    const site = await test.addSite();
    ({ customer, proxies } = site);
    mlm = site.mlms[0]!;
  });
  after(() => test.stop());

  describe('T-A32: route by method by who asks', () => {
    it('every route is in the table, and nothing else', () => {
      expect(ROUTES.map(({ method, path, auth }) => `${method} ${path} ${auth}`)).to.have.members(
        TABLE.map((row) => row.join(' ')),
      );
      expect(new Set(ROUTES.map(({ method, path }) => `${method} ${path}`)).size).to.equal(ROUTES.length);
    });

    for (const path of new Set(TABLE.map((row) => row[1]))) {
      it(path, async () => {
        for (const method of METHODS) {
          const listed = TABLE.find((row) => row[0] === method && row[1] === path);
          const concrete = path.replaceAll(/:\w+/g, 'nobody');
          const anonymous = await test.api(method.toUpperCase(), concrete, undefined, {});
          const wanted = listed ? (listed[2] === 'staff' ? 'BH-E-AUTH' : undefined) : 'BH-E-METHOD';
          expect(anonymous.body?.code, `${method} without a secret`).to.equal(wanted);
          if (!listed)
            expect(anonymous.headers['allow']).to.equal(
              TABLE.filter((row) => row[1] === path)
                .map((row) => row[0].toUpperCase())
                .join(', '),
            );
        }
      });
    }

    it('what is not there is not there, however it is spelled', async () => {
      for (const path of [
        '/setup',
        '/customers/',
        '//customers',
        '/Customers',
        '/customers/x/y',
        '/%63ustomers%2f',
        '/__proto__',
        '/../version',
      ]) {
        const answer = await raw(test, `/api/v1${path}`);
        expect([404, 401], path).to.include(answer.status);
        expect(answer.body, path).to.not.contain('stack');
      }
    });
  });

  describe('who asks', () => {
    it('a wrong secret is refused, in the same words as none', async () => {
      for (const authorization of ['Bearer wrong', 'Basic d3Jvbmc6', `bearer ${'x'.repeat(300)}`, 'Bearer ']) {
        const answer = await test.api('GET', '/status', undefined, { authorization });
        expect(answer.status).to.equal(401);
        expect(answer.headers['www-authenticate']).to.contain('Bearer');
        expect(answer.headers['content-type']).to.equal('application/problem+json; charset=utf-8');
      }
    });

    it('after ten wrong ones an address waits; who has the secret goes on', async () => {
      const own = await TestAppserver.create();
      expect((await own.api('GET', '/status')).status).to.equal(200);
      const wrong = async () => own.api('GET', '/status', undefined, { authorization: 'Bearer wrong' });
      const codes: string[] = [];
      for (let n = 0; n < 11; n++) codes.push((await wrong()).body.code);
      expect(codes.slice(0, 10)).to.deep.equal(Array(10).fill('BH-E-AUTH'));
      const last = await wrong();
      expect([last.status, last.body.code]).to.deep.equal([429, 'BH-E-RATE']);
      expect(Number(last.headers['retry-after'])).to.be.within(1, 60);
      expect((await own.api('GET', '/status')).status).to.equal(200);
      await own.stop();
    });

    it('T-A7: many wrong secrets at once are counted, too', async () => {
      const own = await TestAppserver.create();
      const wrong = () => own.api('GET', '/status', undefined, { authorization: 'Bearer wrong' });
      const codes = (await Promise.all(Array.from({ length: 30 }, wrong))).map(({ body }) => body.code);
      expect(codes.filter((code) => code === 'BH-E-AUTH')).to.have.length(10);
      expect(codes.filter((code) => code === 'BH-E-RATE')).to.have.length(20);
      await own.stop();
    });

    it('T-A7: a stranger whose form does not come on is cut, and one address cannot take all connections', async () => {
      const clock = new FakeClock();
      const own = await TestAppserver.create({ clock });
      const { hostname, port } = new URL(own.appserver.staff.url);
      const open = () =>
        tlsConnect({ host: hostname, port: Number(port), rejectUnauthorized: false }).on('error', () => {});
      const slow = open();
      slow.write(`POST /portal/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n`);
      slow.write('Content-Type: application/x-www-form-urlencoded\r\n\r\nsecret=');
      let cut = false;
      slow.on('close', () => (cut = true));
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(cut).to.equal(false);
      await clock.advance(10_000);
      await until('the slow one is cut', () => cut);
      const many = Array.from({ length: 140 }, open);
      await until('those past the bound are cut', () => many.filter(({ destroyed }) => destroyed).length >= 12);
      for (const socket of many) socket.destroy();
      await own.stop();
    });

    it('the secret of the first start stays, is readable by its owner alone, and is not in the store', async () => {
      const own = await TestAppserver.create();
      const { secret } = own;
      const { statSync, readFileSync, readdirSync } = await import('node:fs');
      expect(statSync(`${own.folder.path}/admin-secret`).mode & 0o777).to.equal(0o600);
      await own.restart();
      expect(own.secret).to.equal(secret);
      expect((await own.api('GET', '/status')).status).to.equal(200);
      for (const file of readdirSync(`${own.folder.path}/store`))
        expect(readFileSync(`${own.folder.path}/store/${file}`).includes(secret), file).to.equal(false);
      await own.stop();
    });
  });

  const addDeadLetter = () =>
    test.appserver.database.transaction(async (tx) => {
      const place = { source: proxies[0]!, epoch: 'ab'.repeat(8), lane: 6, sequence: 7, peer: mlm, madeAt: 1 };
      const kind = { class: 'x-test', subclass: 'any', contentType: 'data', customer, site: 'site-a', instance: null };
      const fault = { module: 'm', code: 'BH-E-MODULE', detail: 'd', faults: 10, firstAt: 1, at: 2 };
      const bytes = { bytes: 2, header: Buffer.from('x'), body: Buffer.from('x') };
      const row = {
        id: 'letter',
        ...place,
        ...kind,
        ...fault,
        ...bytes,
        state: 'waiting',
        decidedAt: null,
        reason: null,
      };
      return Number((await tx.db.insertInto('deadLetters').values(row).executeTakeFirstOrThrow()).insertId);
    });

  describe('its description', () => {
    it('is a valid OpenAPI 3.1 document that names every route', async () => {
      const { body } = await test.api('GET', '/openapi.json', undefined, {});
      expect(body).to.deep.equal(JSON.parse(JSON.stringify(openApiDocument())));
      await SwaggerParser.validate(structuredClone(body));
      const named = Object.entries(body.paths as Record<string, object>).flatMap(([path, operations]) =>
        Object.keys(operations).map((method) => `${method} ${path}`),
      );
      expect(named).to.have.members(
        ROUTES.map(({ method, path }) => `${method} /api/v1${path.replaceAll(/:(\w+)/g, '{$1}')}`),
      );
    });

    it('says what the replies are: each reply, filled, matches its schema in the document', async () => {
      await fill();
      const document = (await SwaggerParser.dereference(
        (
          await test.api('GET', '/openapi.json')
        ).body,
      )) as unknown as Document;
      const [message] = (await test.api('GET', '/messages?limit=1')).body.items;
      const ids: Record<string, string> = {
        '/customers/:id/sites': customer,
        '/components/:id': proxies[0]!,
        '/mailboxes/:owner': mlm,
        '/messages/:id': message.id,
        '/messages/:id/trace': message.id,
        '/inventory/:instance': `${proxies[0]}.s1`,
      };
      ids['/dead-letters/:number'] = String(await addDeadLetter());
      ids['/commands/:id'] = (await test.api('GET', '/commands')).body.items[0].id;
      for (const route of ROUTES.filter((one) => one.method === 'get' && one.path !== '/pushes/:id')) {
        const { status, body } = await test.api('GET', route.path.replace(/:\w+/, ids[route.path] ?? ''));
        expect(status, route.path).to.equal(200);
        expectMatches(document, route, body);
      }
    });
  });

  describe('bad input has a code and a sentence, never a stack trace', () => {
    const cases: readonly [name: string, method: string, path: string, body: unknown, status: number, code: string][] =
      [
        ['an unknown parameter', 'GET', '/messages?colour=red', undefined, 400, 'BH-E-QUERY'],
        ['a parameter given twice', 'GET', '/messages?class=a&class=b', undefined, 400, 'BH-E-QUERY'],
        ['a parameter as an object', 'GET', '/messages?class[$ne]=a', undefined, 400, 'BH-E-QUERY'],
        ['a limit that is too high', 'GET', '/messages?limit=501', undefined, 400, 'BH-E-QUERY'],
        ['a cursor from elsewhere', 'GET', '/messages?cursor=nonsense', undefined, 400, 'BH-E-QUERY'],
        ['an unknown field', 'POST', '/customers', { name: 'x', colour: 'red' }, 400, 'BH-E-SCHEMA'],
        ['a missing field', 'POST', '/customers', {}, 400, 'BH-E-SCHEMA'],
        ['a name with a line break', 'POST', '/customers', { name: 'a\nb' }, 400, 'BH-E-SCHEMA'],
        ['T-A11: a site called like a path', 'POST', '/customers/c1/sites', { name: '../x' }, 400, 'BH-E-SCHEMA'],
        ['a customer nobody knows', 'POST', '/customers/c00000000/sites', { name: 'x' }, 404, 'BH-E-NOT-FOUND'],
        ['a component nobody knows', 'GET', '/components/c00000000.p1', undefined, 404, 'BH-E-NOT-FOUND'],
        [
          'a group nobody knows',
          'POST',
          '/commands',
          { destination: { group: 'nowhere' }, command: 'ping' },
          400,
          'BH-E-TARGET',
        ],
        [
          'a component nobody knows',
          'POST',
          '/commands',
          { destination: { component: 'c00000000.p1' }, command: 'ping' },
          400,
          'BH-E-TARGET',
        ],
        [
          'two destinations',
          'POST',
          '/commands',
          { destination: { group: 'a', component: 'b' }, command: 'ping' },
          400,
          'BH-E-SCHEMA',
        ],
        [
          'a command nobody knows',
          'POST',
          '/commands',
          { destination: { group: 'site-a' }, command: 'explode' },
          400,
          'BH-E-COMMAND-UNKNOWN',
        ],
        ['a member nobody knows', 'PUT', '/groups/mine', { members: ['c00000000.p1'] }, 400, 'BH-E-TARGET'],
        ['the group of a site', 'PUT', '/groups/site-a', { members: [] }, 409, 'BH-E-CONFLICT'],
        [
          'an artifact nobody knows',
          'POST',
          '/pushes',
          { artifact: 'a'.repeat(64), group: 'site-a' },
          404,
          'BH-E-NOT-FOUND',
        ],
        ['a push to nobody', 'POST', '/pushes', { artifact: 'a'.repeat(64) }, 400, 'BH-E-SCHEMA'],
        ['a body that is too large', 'POST', '/customers', { name: 'x'.repeat(2_000_000) }, 413, 'BH-E-LIMIT-REQUEST'],
        ['an upload that is no form', 'POST', '/artifacts', { manifest: '' }, 415, 'BH-E-MIME-TYPE'],
      ];
    for (const [name, method, path, body, status, code] of cases) {
      it(`${name}: ${method} ${path} → ${code}`, async () => {
        const answer = await test.api(method, path, body);
        expect([answer.status, answer.body.code]).to.deep.equal([status, code]);
        expect(answer.body).to.include.keys('type', 'title', 'status');
        expect(answer.text).to.not.match(/node:|\.ts:|at \w+ \(/);
      });
    }

    it('a body that is no JSON, of another type, or in another charset', async () => {
      const send = (body: string | Buffer, type: string) =>
        test.http('POST', '/api/v1/customers', {
          body,
          headers: { authorization: `Bearer ${test.secret}`, 'content-type': type },
        });
      expect((await send('{', 'application/json')).body.code).to.equal('BH-E-JSON');
      expect((await send('"text"', 'application/json')).body.code).to.equal('BH-E-JSON');
      expect((await send('name=x', 'application/x-www-form-urlencoded')).body.code).to.equal('BH-E-JSON');
      expect((await send('{}', 'application/json; charset=utf-7')).body.code).to.equal('BH-E-JSON');
      expect((await send('{"__proto__":{"admin":true},"name":"x"}', 'application/json')).body.code).to.equal(
        'BH-E-SCHEMA',
      );
    });

    it('a package without a certificate authority says what to configure', async () => {
      const answer = await test.api('POST', `/customers/${customer}/sites/site-a/package`, {});
      expect(answer.body.code).to.equal('BH-E-CONFIG');
      expect(answer.body.detail).to.contain('authority');
    });
  });

  describe('directory', () => {
    it('customers, sites, components, groups; adding a site twice is no error, taking its name is', async () => {
      const made = await test.api('POST', '/customers', { name: '  Ümlaut & Söhne ' });
      expect(made.status).to.equal(201);
      expect(made.body.name).to.equal('Ümlaut & Söhne');
      for (let n = 0; n < 2; n++)
        expect((await test.api('POST', `/customers/${made.body.id}/sites`, { name: 'site-u' })).status).to.equal(201);
      expect((await test.api('POST', `/customers/${made.body.id}/sites`, { name: 'site-a' })).body.code).to.equal(
        'BH-E-CONFLICT',
      );
      expect((await test.api('GET', `/customers/${made.body.id}/sites`)).body.items).to.have.length(1);
      const { body } = await test.api('GET', `/components?customer=${customer}&site=site-a`);
      expect(body.items.map(({ id, parent }: { id: string; parent: string }) => [id, parent])).to.deep.equal([
        [mlm, 'provider.a1'],
        ...proxies.map((id) => [id, mlm]),
      ]);
    });

    it('a static group is set as a whole; the group of a site keeps itself', async () => {
      expect((await test.api('PUT', '/groups/pair', { members: proxies.slice(0, 2) })).body).to.deep.include({
        kind: 'static',
        members: proxies.slice(0, 2),
        customer,
      });
      await test.api('PUT', '/groups/pair', { members: [proxies[2]] });
      const { items } = (await test.api('GET', '/groups')).body;
      const membersOf = (name: string) => items.find((group: { name: string }) => group.name === name).members;
      expect(membersOf('pair')).to.deep.equal([proxies[2]]);
      expect(membersOf('site-a')).to.deep.equal(proxies);
    });

    it('a registered set of components is asked for again without making more', async () => {
      const again = await test.appserver.directory.ensureComponents({ customer, site: 'site-a', mlms: 1, proxies: 3 });
      expect(again.map(({ id }) => id)).to.deep.equal([mlm, ...proxies]);
    });
  });

  it('says what it does with browsers', async () => {
    const { headers } = await test.api('GET', '/version', undefined, {});
    expect(headers['content-security-policy']).to.contain(`default-src 'none'`);
    expect(headers).to.include({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    expect(headers['x-powered-by']).to.equal(undefined);
    expect(headers['strict-transport-security']).to.contain('max-age');
  });

  /** A little of everything, so that no list is empty. */
  async function fill(): Promise<void> {
    const source = new Sender(proxies[0]!, 'f'.repeat(16));
    const { instance } = source;
    const disks = {
      devices: [],
      filesystems: [{ device: 'd', mountpoint: '/', type: 'ext4', sizeBytes: 9, usedBytes: 1 }],
    };
    await test.accept(
      mlm,
      source.alarm({ instance, location: '/var' }),
      source.alarm({ alarmId: 'filesystem:/', instance }, { class: 'storage-alarms', subclass: 'filesystem' }),
      source.data(
        { manager: 'dpkg', available: [{ name: 'a', candidate: '2' }], state: 'known' },
        { class: 'patches', subclass: 'available', instance },
      ),
      source.data(disks, {
        class: 'disk-configuration',
        subclass: 'list',
        instance,
        routing: [{ id: source.id, in: 1, out: 2, left: 5 }],
      }),
      source.receipts(
        [
          {
            source: source.id,
            epoch: source.epoch,
            lane: 8,
            from: 1,
            to: 2,
            reason: 'expired',
            rule: 'r',
            aggregate: '0'.repeat(26),
          },
        ],
        { lane: 8, sequence: 3 },
      ),
    );
    await test.api('POST', '/commands', {
      destination: { group: 'site-a' },
      command: 'ping',
      parameters: { a: 1, b: 'x' },
    });
    await test.appserver.services.lastHeard.write();
  }
});

interface Document {
  paths: Record<
    string,
    Record<
      string,
      { responses: Record<string, { content: Record<string, { schema: Parameters<typeof z.fromJSONSchema>[0] }> }> }
    >
  >;
}

/** The reply against the schema of the served document, turned back into a check. */
function expectMatches(document: Document, route: Route, body: unknown): void {
  const operation = document.paths[`/api/v1${route.path.replaceAll(/:(\w+)/g, '{$1}')}`]![route.method];
  const { schema } = operation!.responses[String(route.status)]!.content['application/json']!;
  const result = z.fromJSONSchema(schema).safeParse(body);
  expect(result.success, `${route.path}: ${result.success ? '' : z.prettifyError(result.error)}`).to.equal(true);
}

/** A path exactly as given, which clients would tidy up. */
function raw(test: TestAppserver, path: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(test.appserver.staff.url);
  return new Promise((resolve, reject) => {
    const sent = rawRequest({ hostname, port, path, ca: tls().roots, agent: false }, (answer) => {
      let body = '';
      answer
        .setEncoding('utf8')
        .on('data', (text) => (body += text))
        .on('end', () => resolve({ status: answer.statusCode!, body }));
    });
    sent.on('error', reject).end();
  });
}
