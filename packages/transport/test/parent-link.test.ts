import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { until } from '@backhaul/testkit';
import { expect } from 'chai';
import { ParentLink } from '../src/parent-link.ts';
import { TRUST_DOMAIN } from './support/hop.ts';

describe('the connections to a parent', () => {
  let server: Server;
  let link: ParentLink;
  let held: ServerResponse[];
  let sockets: Set<Socket>;
  beforeEach(async () => {
    held = [];
    sockets = new Set();
    server = createServer((request, response) => {
      sockets.add(request.socket);
      request
        .resume()
        .on('end', () => (request.headers['prefer'] === undefined ? response.end() : held.push(response)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const self = { trustDomain: TRUST_DOMAIN, customer: 'c0000test', kind: 'mlm', id: 'c0000test.m1' } as const;
    link = new ParentLink({ self, parent: { id: 'c0000test.a1', url }, tls: 'plain', connections: 3 });
  });
  afterEach(async () => {
    await link.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const { signal } = new AbortController();
  const envelope = () => link.post(Buffer.from('x'), {}, { signal });
  const poll = () => link.post(Buffer.from('x'), { prefer: 'wait=60' }, { signal, isPoll: true });

  it('a poll, also one that follows another, never takes one that envelopes have open', async () => {
    await envelope();
    for (let n = 1; n <= 3; n += 1) {
      const polled = poll();
      await until('it is held', () => held.length === 1);
      await envelope();
      held.pop()!.end();
      await polled;
    }
    expect({ open: link.connected, all: sockets.size }).to.deep.equal({ open: 1, all: 2 });
  });
});
