import { ENROL_ROUTES, REGISTRAR_ROUTES } from '@backhaul/certs';
import type { TlsMaterial } from '@backhaul/identity';
import { expect } from 'chai';
import { CaFixture, CUSTOMER, MLM_ID, PROXY_ID, send } from './ca-fixture.ts';

describe('registrar', () => {
  let ca: CaFixture;
  const shown = new Map<string, TlsMaterial>();
  before(async () => {
    ca = await CaFixture.start();
    for (const id of ['provider.a1', PROXY_ID, MLM_ID, 'provider.m1', 'provider.u1', 'provider.c2', `${CUSTOMER}.a1`])
      shown.set(id, await ca.material(id));
  });
  after(() => ca.stop());

  const mlm = { customer: CUSTOMER, kind: 'mlm', id: MLM_ID };
  const appserver = () => shown.get('provider.a1')!;

  it('gives an application server a token that enrols', async () => {
    const answer = await ca.register(appserver(), { identity: mlm, names: ['10.0.0.1'], ttlMs: 60_000 });
    expect(answer.status).to.equal(201);
    const { token, expiresAt } = JSON.parse(answer.text);
    expect(Date.parse(expiresAt)).to.be.closeTo(Date.now() + 60_000, 10_000);
    expect((await ca.enrol(token, MLM_ID)).status).to.equal(200);
    const issued = ca
      .audit()
      .filter((record) => record['event'] === 'token-issued')
      .at(-1);
    expect(issued).to.include({ id: MLM_ID, askedBy: 'provider.a1' });
  });

  it('T-A32: serves application servers of the provider and nobody else', async () => {
    for (const [id, material] of shown) {
      const { status, code } = await ca.register(material, { identity: mlm });
      expect([status, code], id).to.deep.equal(id === 'provider.a1' ? [201, undefined] : [403, 'BH-E-ID-KIND']);
    }
    const nobody = send(
      ca.listeners.registrar,
      'POST',
      '/registrar/tokens',
      { rejectUnauthorized: false },
      { body: '{}' },
    );
    expect(await nobody.catch((error) => error.code)).to.be.oneOf([
      'ECONNRESET',
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'EPIPE',
    ]);
  });

  it('T-A32: a certificate of another authority is refused in the handshake', async () => {
    const other = await CaFixture.start();
    try {
      const foreign = { ...(await other.material('provider.a1')), ca: ca.authority.roots };
      const answer = await ca.register(foreign, { identity: mlm }).catch((error) => error);
      expect(answer).to.be.instanceOf(Error);
    } finally {
      await other.stop();
    }
  });

  it('T-A32: registers proxies and MLMs; no other kind can be had over the network', async () => {
    const kinds = {
      proxy: PROXY_ID,
      mlm: MLM_ID,
      appserver: 'provider.a2',
      certs: 'provider.c2',
      staff: 'provider.u1',
    };
    for (const [kind, id] of Object.entries(kinds)) {
      const { status, code } = await ca.register(appserver(), { identity: { customer: id.split('.')[0], kind, id } });
      expect([status, code], kind).to.deep.equal(
        kind === 'proxy' || kind === 'mlm' ? [201, undefined] : [403, 'BH-E-ID-KIND'],
      );
    }
  });

  it('refuses requests that are not in order, by field', async () => {
    const bad: [unknown, RegExp][] = [
      ['{', /JSON/],
      [[], /./],
      [{}, /identity/],
      [{ identity: { ...mlm, kind: 'proxy' } }, /do not fit/],
      [{ identity: { ...mlm, customer: 'c99999999' } }, /do not fit/],
      [{ identity: { ...mlm, id: '../x' } }, /do not fit/],
      [{ identity: mlm, names: ['*.example'] }, /names/],
      [{ identity: mlm, ttlMs: 10 }, /ttlMs/],
      [{ identity: mlm, ttlMs: 10 ** 12 }, /ttlMs/],
      [{ identity: mlm, ca: true }, /ca/],
    ];
    for (const [body, detail] of bad) {
      const answer = await ca.register(appserver(), body);
      expect([answer.status, answer.code], JSON.stringify(body)).to.deep.equal([400, 'BH-E-JSON']);
      expect(answer.text).to.match(detail);
    }
    expect((await ca.register(appserver(), 'x'.repeat(17 * 1024))).code).to.equal('BH-E-LIMIT-REQUEST');
  });

  it('T-A32: routes by method by role, all of them', async () => {
    expect(REGISTRAR_ROUTES).to.deep.equal([{ method: 'POST', path: '/registrar/tokens' }]);
    expect(ENROL_ROUTES).to.deep.equal([{ method: 'POST', path: '/.well-known/est/simpleenroll' }]);
    const answer = (path: string, method: string, id: string) =>
      ca.register(shown.get(id)!, '{}', { path, method }).then(({ status }) => status);
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      expect(await answer('/registrar/tokens', method, 'provider.a1'), method).to.equal(405);
      expect(await answer('/registrar/tokens', method, PROXY_ID), method).to.equal(403);
    }
    for (const path of [
      '/',
      '/registrar',
      '/registrar/tokens/',
      '//registrar/tokens',
      '/setup',
      '/REGISTRAR/tokens',
      '/.well-known/est/simpleenroll',
    ]) {
      expect(await answer(path, 'POST', 'provider.a1'), path).to.equal(404);
      expect(await answer(path, 'POST', PROXY_ID), path).to.equal(403);
    }
  });

  it('counts what it gave and refused', async () => {
    const text = await (await fetch(`${ca.admin}/metrics`, { headers: { connection: 'close' } })).text();
    expect(text).to.match(/backhaul_certs_certificates_issued_total\{kind="mlm"\} \d+/);
    expect(text).to.match(/backhaul_certs_tokens_issued_total \d+/);
    expect(text).to.match(/backhaul_certs_refusals_total\{code="BH-E-ID-KIND"\} \d+/);
    expect(text).to.match(/backhaul_certs_issuing_certificate_days_left 18\d\d/);
  });
});
