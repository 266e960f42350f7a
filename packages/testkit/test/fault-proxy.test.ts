import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { FaultProxy, freePort, leakCheck, seededRandom, until } from '@backhaul/testkit';
import { expect } from 'chai';

describe('fault proxy', () => {
  leakCheck({ before, after });
  let handled: number;
  let line: FaultProxy;
  const server = createServer((incoming, response) => {
    handled++;
    incoming.resume().on('end', () => response.end('x'.repeat(1000)));
  });
  beforeEach(async () => {
    handled = 0;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    line = await FaultProxy.start(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterEach(async () => {
    await line.stop();
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  });

  const get = (body = ''): Promise<number | string> =>
    new Promise((resolve) => {
      const sent = request(
        line.through('http://server/'),
        { agent: false, method: 'POST' },
        (response: IncomingMessage) => {
          let bytes = 0;
          response.on('data', (chunk) => {
            bytes += chunk.length;
          });
          response.on('end', () => resolve(bytes)).on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
        },
      );
      sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code!)).end(body);
    });

  it('passes bytes and counts them', async () => {
    expect(await get('y'.repeat(500))).to.equal(1000);
    expect(line.bytes.up).to.be.above(500);
    expect(line.bytes.down).to.be.above(1000);
  });

  it('drops only the reply: the server has done its work', async () => {
    line.faults.dropReply = true;
    expect(await get()).to.equal('ECONNRESET');
    expect([handled, line.hits.dropped, line.bytes.down]).to.deep.equal([1, 1, 0]);
  });

  it('cuts after so many bytes, once', async () => {
    line.faults.cutAfter = { direction: 'down', bytes: 300 };
    expect(await get()).to.equal('ECONNRESET');
    expect(line.bytes.down).to.equal(300);
    expect(await get()).to.equal(1000);
  });

  it('delays and stalls', async () => {
    line.faults.delayMs = 50;
    const began = performance.now();
    expect(await get()).to.equal(1000);
    expect(performance.now() - began).to.be.at.least(95);
    line.faults.delayMs = 0;
    line.faults.stalled = true;
    let answered = false;
    const late = get().then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(answered).to.equal(false);
    line.faults.stalled = false;
    await late;
  });

  it('refuses and resets', async () => {
    line.faults.refusing = true;
    expect(await get()).to.equal('ECONNRESET');
    line.faults.refusing = false;
    const socket = connect(line.port, '127.0.0.1');
    const ended = new Promise((resolve) => socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code)));
    await until('it is through', () => server.listening && line.bytes.up >= 0 && !socket.connecting);
    await new Promise((resolve) => setTimeout(resolve, 20));
    line.reset();
    expect(await ended).to.equal('ECONNRESET');
  });

  it('gives free ports, and dice that fall the same way', async () => {
    expect(await freePort()).to.be.above(1023);
    const [a, b] = [seededRandom(7), seededRandom(7)];
    expect(a.bytes(20).equals(b.bytes(20))).to.equal(true);
    expect(a.fraction()).to.equal(b.fraction());
  });
});
