import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Secret } from '@backhaul/runtime';
import { leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Lower, lower, type Upper, upper } from './support/hop.ts';
import { sequencesOf, spoolEntries } from './support/messages.ts';

/** A customer's HTTP proxy, as small as it can be: CONNECT with Basic credentials. */
class ConnectProxy {
  readonly targets: string[] = [];
  readonly #server: Server = createServer((_request, response) => response.writeHead(405).end());
  readonly #sockets = new Set<Socket>();

  async start(expected: string): Promise<string> {
    this.#server.on('connection', (socket: Socket) => this.#sockets.add(socket));
    this.#server.on('connect', (request, client: Socket) => {
      client.on('error', () => {});
      if (request.headers['proxy-authorization'] !== expected) {
        client.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      this.targets.push(request.url!);
      const [host, port] = request.url!.split(':');
      const server = connect(Number(port), host, () => client.write('HTTP/1.1 200 OK\r\n\r\n'));
      server.on('error', () => client.destroy());
      client.on('close', () => server.destroy());
      client.pipe(server).pipe(client);
    });
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('an outbound HTTP proxy', () => {
  leakCheck({ before, after });
  let proxy: ConnectProxy;
  let above: Upper;
  let below: Lower;
  afterEach(async () => {
    await below.stop();
    await above.stop();
    await proxy.stop();
  });
  const through = async (password: string): Promise<void> => {
    proxy = new ConnectProxy();
    const url = await proxy.start(`Basic ${Buffer.from('site:open').toString('base64')}`);
    above = await upper();
    const outboundProxy = { url, username: 'site', password: new Secret(password) };
    below = await lower({ parents: [{ url: above.listener.url }], outboundProxy });
    await below.submit(spoolEntries(1, 3));
  };

  it('is passed by CONNECT with credentials; TLS goes from end to end', async () => {
    await through('open');
    await until('the spool is empty', () => below.spool.depth().messages === 0);
    expect(sequencesOf(above.handler.effects)).to.deep.equal([1, 2, 3]);
    expect(new Set(proxy.targets)).to.deep.equal(new Set([new URL(above.listener.url).host]));
  });

  it('that refuses the credentials is an unreachable parent; nothing is lost', async () => {
    await through('shut');
    await until('it is noticed', () => below.uplink.status().lastError !== undefined);
    expect(below.uplink.status().lastError!.code).to.equal('BH-E-PARENT-UNREACHABLE');
    expect(JSON.stringify(below.uplink.status())).not.to.include('shut');
    expect(below.spool.depth().messages).to.equal(3);
  });
});
