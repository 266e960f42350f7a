import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { PACKET_BYTES, packetsOf, ThinLine } from './thin-line.ts';

describe('A thin line', () => {
  let server: Server;
  let line: ThinLine;

  beforeEach(async () => {
    server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    line = await ThinLine.start(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterEach(async () => {
    await line.stop();
    server.close();
  });

  it('cuts what it carries into packets, and loses nothing of it', () => {
    const chunk = Buffer.from(Array.from({ length: 2 * PACKET_BYTES + 7 }, (_, at) => at & 0xff));
    const packets = packetsOf(chunk);
    expect(packets.map(({ length }) => length)).to.deep.equal([PACKET_BYTES, PACKET_BYTES, 7]);
    expect(Buffer.concat(packets).equals(chunk)).to.equal(true);
    expect(packetsOf(Buffer.alloc(0))).to.deep.equal([]);
  });

  it('has one rate for both directions together', async () => {
    line.narrow(100_000);
    const began = performance.now();
    await echo(Buffer.alloc(20_000));
    const seconds = (performance.now() - began) / 1000;
    expect(line.bytes).to.deep.equal({ up: 20_000, down: 20_000 });
    expect(seconds).to.be.within(0.39, 1.5);
  });

  it('lets a small connection pass between the packets of a large one', async () => {
    line.narrow(60_000);
    const large = echo(Buffer.alloc(40_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const began = performance.now();
    await echo(Buffer.alloc(100));
    expect(performance.now() - began).to.be.below(600);
    line.widen();
    await large;
  });

  async function echo(bytes: Buffer): Promise<void> {
    const { hostname, port } = new URL(line.through('tcp://127.0.0.1:1'));
    const socket = connect(Number(port), hostname);
    let came = 0;
    socket.on('data', (chunk) => {
      came += chunk.length;
      if (came === bytes.length) socket.end();
    });
    socket.write(bytes);
    await once(socket, 'close');
    expect(came).to.equal(bytes.length);
  }
});
