import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AdminListener,
  boundAddress,
  closeServer,
  listen,
  Metrics,
  type Readiness,
  silentLogger,
} from '@backhaul/runtime';
import { expect } from 'chai';

describe('admin listener', () => {
  let readiness: () => Readiness;
  const metrics = new Metrics('test');
  const admin = listener({});
  function listener(changes: { host?: string; port?: number }) {
    return new AdminListener({
      host: '127.0.0.1',
      port: 0,
      metrics,
      version: '1.2.3',
      logger: silentLogger,
      ready: () => readiness(),
      ...changes,
    });
  }
  before(() => admin.start());
  after(() => admin.stop());
  const get = (path: string, init: RequestInit = {}) =>
    fetch(admin.url + path, { ...init, headers: { connection: 'close' } });

  it('says that it lives, and which version it is', async () => {
    expect(await (await get('/healthz')).json()).to.deep.equal({ status: 'ok' });
    expect(await (await get('/version')).json()).to.deep.equal({ version: '1.2.3' });
  });

  it('says whether it is ready, and with verbose why', async () => {
    readiness = () => ({ ready: true, checks: { spool: { ok: true } } });
    expect(await (await get('/readyz')).json()).to.deep.equal({ status: 'ready' });
    readiness = () => ({ ready: false, checks: { spool: { ok: false, detail: 'disk full' } } });
    const answer = await get('/readyz?verbose');
    expect(answer.status).to.equal(503);
    expect(await answer.json()).to.deep.equal({
      status: 'not ready',
      checks: { spool: { ok: false, detail: 'disk full' } },
    });
  });

  it('answers a failing check with a coded error and no stack', async () => {
    readiness = () => {
      throw new Error('inner detail');
    };
    const answer = await get('/readyz');
    expect(answer.status).to.equal(500);
    const text = await answer.text();
    expect(text)
      .to.contain('BH-E-INTERNAL')
      .and.not.contain('inner detail')
      .and.not.match(/\n\s+at /);
  });

  it('gives metrics in text form', async () => {
    metrics.counter('events_total', 'Events', ['kind']).inc({ kind: 'a' }, 2);
    const answer = await get('/metrics');
    expect(answer.headers.get('content-type')).to.match(/^text\/plain; version=0.0.4/);
    const text = await answer.text();
    expect(text).to.contain('backhaul_test_events_total{kind="a"} 2').and.contain('process_resident_memory_bytes');
  });

  it('T-A31: has no other route and no other method', async () => {
    for (const path of ['/', '/setup', '//healthz', '/healthz/', '/%68ealthz', '/debug/pprof', '/metrics/../x']) {
      expect((await get(path)).status, path).to.equal(404);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
      expect((await get('/healthz', { method })).status, method).to.equal(405);
    expect((await get('/healthz', { method: 'HEAD' })).status).to.equal(200);
  });

  it('answers a target that is no address with 404', async () => {
    for (const path of ['//[', 'http://[x', '//:99999/']) {
      const status = await new Promise((resolve, reject) => {
        const { hostname, port } = new URL(admin.url);
        const outgoing = request({ host: hostname, port, path, agent: false }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode));
        });
        outgoing.on('error', reject).end();
      });
      expect(status, path).to.equal(404);
    }
  });

  it('refuses an address that is not loopback, and says when a port is taken', async () => {
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com', '127.0.0.1.example.com']) {
      const open = listener({ host });
      const error = await open.start().catch((thrown) => thrown);
      await open.stop();
      expect(error?.code, host).to.equal('BH-E-CONFIG');
    }
    const port = Number(new URL(admin.url).port);
    expect(
      (
        await listener({ port })
          .start()
          .catch((thrown) => thrown)
      ).code,
    ).to.equal('BH-E-PORT');
  });

  it('stops twice, and without having started', async () => {
    const other = listener({});
    await other.stop();
    expect(other.url).to.equal('');
    await other.start();
    await other.stop();
    await other.stop();
  });
});

describe('closing a server', () => {
  it('lets a request end within the grace, and cuts what takes longer', async () => {
    const server = createServer(
      (request, response) => void setTimeout(() => response.end('done'), request.url === '/slow' ? 10_000 : 50).unref(),
    );
    await listen(server, { host: '127.0.0.1', port: 0 });
    expect(boundAddress(server)).to.equal(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    const url = `http://${boundAddress(server)}`;
    const quick = fetch(`${url}/quick`, { headers: { connection: 'close' } });
    const slow = fetch(`${url}/slow`, { headers: { connection: 'close' } }).catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await closeServer(server, 200);
    expect(await (await quick).text()).to.equal('done');
    expect(await slow).to.be.instanceOf(Error);
  });
});
