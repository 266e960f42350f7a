import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { contentTypeOf } from '@backhaul/envelope';
import { leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { certificates, type Upper, upper } from './support/hop.ts';
import { downwardMessage, PROXY, parts } from './support/messages.ts';
import { RawPeer } from './support/raw-request.ts';

const CANARY = '/canary';
const REQUEST = 'POST /v1/envelopes HTTP/1.1\r\nHost: relay\r\nBackhaul-Version: 1.0\r\n';
const SECOND = `GET ${CANARY} HTTP/1.1\r\nHost: relay\r\n\r\n`;

/** Requests whose framing two parsers might read in two ways. A smuggled second request asks for the canary. */
const AMBIGUOUS: Record<string, string> = {
  'CL.TE': `${REQUEST}Content-Length: ${SECOND.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SECOND}`,
  'TE.CL': `${REQUEST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SECOND}`,
  'TE.TE, the last not chunked': `${REQUEST}Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n${SECOND}`,
  'chunked in disguise': `${REQUEST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SECOND}`,
  'two lengths': `${REQUEST}Content-Length: 0\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`,
  'a length that is none': `${REQUEST}Content-Length: +0\r\n\r\n${SECOND}`,
  'a space before the colon': `${REQUEST}Content-Length : 0\r\n\r\n${SECOND}`,
  'a folded header': `${REQUEST}X-A: b\r\n Content-Length: 5\r\n\r\n${SECOND}`,
  'a bare CR': `${REQUEST}X-A: b\rContent-Length: 5\r\n\r\n${SECOND}`,
  'bare LF': `POST /v1/envelopes HTTP/1.1\nHost: relay\nContent-Length: 0\n\n${SECOND}`,
  'a chunk extension with a line break': `${REQUEST}Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n${SECOND}`,
  'a chunk size that is none': `${REQUEST}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${SECOND}`,
  'a NUL in a header': `${REQUEST}X-A: b\0c\r\n\r\n${SECOND}`,
  'a header block without end': `${REQUEST}X-A: ${'a'.repeat(20_000)}\r\n\r\n${SECOND}`,
  'another protocol': 'EHLO relay\r\nMAIL FROM:<a@b>\r\n',
};

describe('hostile sockets', () => {
  leakCheck({ before, after });
  let above: Upper;
  let canaryHits: number;
  beforeEach(async () => {
    canaryHits = 0;
    above = await upper({
      fallback: (request, response) => {
        if (request.url === CANARY) canaryHits++;
        response.end('reached');
      },
      limits: { headersTimeoutMs: 300, requestTimeoutMs: 600, checkIntervalMs: 50 },
    });
  });
  afterEach(() => above.stop());

  const open = (): Promise<Socket> => {
    const { hostname, port } = new URL(above.listener.url);
    const { key, cert, ca } = certificates().component(PROXY);
    return new Promise((resolve, reject) => {
      const socket = tlsConnect({
        host: hostname,
        port: Number(port),
        key,
        cert,
        ca,
        checkServerIdentity: () => undefined,
      });
      socket.once('secureConnect', () => resolve(socket)).once('error', reject);
    });
  };
  /** What comes back until the other side ends the connection. */
  const answerTo = (socket: Socket, bytes: string): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
      socket.write(bytes, 'latin1');
    });

  it('the canary is there', async () => {
    const socket = await open();
    expect(await answerTo(socket, SECOND.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))).to.include('reached');
    expect(canaryHits).to.equal(1);
  });

  for (const [what, bytes] of Object.entries(AMBIGUOUS)) {
    it(`T-A6: ${what}: refused, the connection ends, no second request`, async () => {
      const answer = await answerTo(await open(), bytes);
      expect(answer).to.match(/^HTTP\/1\.1 4\d\d /);
      expect(answer.match(/HTTP\/1\.1 /g)).to.have.length(1);
      expect(canaryHits).to.equal(0);
      expect(above.handler.envelopes).to.deep.equal([]);
    });
  }

  it('T-A6: does not start with the lenient parser of Node', async () => {
    process.execArgv.push('--insecure-http-parser');
    const outcome = await upper().then(
      (started) => started.stop(),
      (error) => error.code,
    );
    process.execArgv.pop();
    expect(outcome).to.equal('BH-E-CONFIG');
  });

  it('T-A7: cuts a reader that does not read', async () => {
    await above.stop();
    above = await upper({ limits: { silenceMs: 200 } });
    const body = Buffer.alloc(900_000, 'x');
    for (let n = 1; n <= 60; n++) above.handler.mailboxes.put(PROXY, { ...downwardMessage(n), body });
    const socket = await open();
    socket.pause();
    const poll = `${REQUEST}Content-Type: ${contentTypeOf('b')}\r\nBackhaul-Ack: 0:0\r\nContent-Length: 7\r\n\r\n--b--\r\n`;
    socket.write(poll);
    const closed = new Promise((resolve) => socket.once('close', resolve).once('error', resolve));
    await until('it is being answered', async () =>
      /relay_bytes_total\{direction="out"\}/.test(await above.metrics.text()),
    );
    await new Promise((resolve) => setTimeout(resolve, 800));
    socket.resume();
    await closed;
  });

  it('T-A9: CONNECT and upgrades open nothing', async () => {
    const connected = await answerTo(await open(), 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: relay\r\n\r\n');
    expect(connected).to.match(/^HTTP\/1\.1 405 /);
    const upgrade = `${REQUEST}Connection: Upgrade, close\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n`;
    expect(await answerTo(await open(), upgrade)).not.to.include('101');
  });

  it('T-A9: a CONNECT that is reset in the middle is no uncaught error', async () => {
    const plain = await upper({ tls: 'plain' });
    const { hostname, port } = new URL(plain.listener.url);
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(port), hostname);
      await new Promise((resolve) => socket.once('connect', resolve));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(`CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: relay\r\n\r\n${'x'.repeat(1000 * i)}`);
      if (i % 2 === 1) await new Promise((resolve) => setTimeout(resolve, 2));
      socket.resetAndDestroy();
      await closed;
    }
    expect((await fetch(`${plain.listener.url}/v1/envelopes`)).status).to.equal(401);
    await plain.stop();
  });

  it('T-A7: headers, bodies and handshakes that do not come on are cut, and others are served meanwhile', async () => {
    const { hostname, port } = new URL(above.listener.url);
    const silent = Array.from({ length: 20 }, () => connect(Number(port), hostname));
    const slow = await Promise.all(Array.from({ length: 20 }, open));
    const ends = slow.map((socket, i) =>
      answerTo(socket, i % 2 ? 'POST /v1/env' : `${REQUEST}Content-Length: 1000\r\n\r\n--`),
    );
    const peer = new RawPeer(above.listener.url, certificates().component('c12345678.p2'));
    const began = performance.now();
    expect((await peer.post([parts(1)])).status).to.equal(200);
    expect(performance.now() - began).to.be.below(500);
    for (const answer of await Promise.all(ends)) expect(answer).to.match(/^(HTTP\/1\.1 (408|503) .*)?/s);
    expect(performance.now() - began).to.be.below(2000);
    for (const socket of silent) socket.destroy();
    peer.close();
    await until('nothing is held', async () => /relay_requests 0/.test(await above.metrics.text()));
  });

  it('T-A7: one customer that announces much and sends nothing leaves room for the others', async () => {
    const large = 'Content-Type: text/plain\r\nContent-Length: 16000000\r\n\r\n-';
    const greedy = await Promise.all(Array.from({ length: 16 }, open));
    for (const socket of greedy) socket.write(`${REQUEST}${large}`);
    await until('all that fits is held', async () => /relay_requests (8|1[0-6])\b/.test(await above.metrics.text()));
    const other = new RawPeer(above.listener.url, certificates().component('c87654321.p1'));
    expect((await other.post([parts(1)], { 'backhaul-hello': undefined })).status).to.equal(200);
    const same = new RawPeer(above.listener.url, certificates().component('c12345678.p2'));
    const refused = await same.request('/v1/envelopes', {
      method: 'POST',
      headers: { 'backhaul-version': '1.0', 'content-length': 16_000_000 },
      body: Buffer.alloc(16_000_000),
    });
    expect(refused.code).to.equal('BH-E-BUSY');
    for (const socket of greedy) socket.destroy();
    for (const peer of [other, same]) peer.close();
    await until('nothing is held', async () => /relay_requests 0/.test(await above.metrics.text()));
  });

  it('T-A8: bytes that are no handshake, and a connection that breaks in it, do no harm', async () => {
    const { hostname, port } = new URL(above.listener.url);
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x02\x00\x01', '\0'.repeat(5000)]) {
      const socket = connect(Number(port), hostname).on('error', () => {});
      await new Promise((resolve) => socket.write(bytes, 'latin1', resolve));
      socket.resetAndDestroy();
    }
    const peer = new RawPeer(above.listener.url, certificates().component(PROXY));
    expect((await peer.post([parts(1)])).status).to.equal(200);
    peer.close();
  });

  it('counts connections of one address before the handshake', async () => {
    await above.stop();
    above = await upper({ limits: { connectionsPerAddress: 3 } });
    const { hostname, port } = new URL(above.listener.url);
    const sockets = Array.from({ length: 5 }, () => connect(Number(port), hostname).on('error', () => {}));
    await until('two were cut', () => sockets.filter((socket) => socket.destroyed).length === 2);
    for (const socket of sockets) socket.destroy();
  });
});
