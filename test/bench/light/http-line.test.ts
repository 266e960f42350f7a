import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { HttpLine } from './http-line.ts';

const HEAD = 'POST / HTTP/1.1\r\nhost: x\r\n';
const reply = (status: string, headers: string, body: string): string =>
  `HTTP/1.1 ${status}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

describe('A line of a light client', () => {
  let server: Server;
  let line: HttpLine;
  let answer: (socket: Socket) => void;
  const asked: string[] = [];

  beforeEach(async () => {
    asked.length = 0;
    server = createServer((socket) => {
      socket.on('data', (data) => {
        asked.push(String(data));
        answer(socket);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    line = new HttpLine('127.0.0.1', (server.address() as AddressInfo).port, '127.0.0.2');
  });
  afterEach(() => {
    line.close();
    server.close();
  });

  it('says how long its body is, and reads replies one after the other', async () => {
    answer = (socket) => socket.write(reply('200 OK', 'Backhaul-Mailbox: e:7\r\n', 'body'));
    const first = await line.exchange(HEAD, Buffer.from('four'));
    expect(asked).to.deep.equal([`${HEAD}content-length: 4\r\n\r\nfour`]);
    expect([first.status, first.body.toString()]).to.deep.equal([200, 'body']);
    expect(first.head).to.include('backhaul-mailbox: e:7');
    answer = (socket) => socket.write(reply('503 Service Unavailable', '', ''));
    expect((await line.exchange(HEAD)).status).to.equal(503);
  });

  it('reads a reply that comes in pieces of one byte', async () => {
    answer = async (socket) => {
      for (const byte of Buffer.from(reply('200 OK', '', 'abc'))) {
        socket.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    expect((await line.exchange(HEAD)).body.toString()).to.equal('abc');
  });

  it('rejects what is under way when it is closed, and everything after', async () => {
    answer = (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
    const errors: string[] = [];
    for (let n = 0; n < 2; n += 1) await line.exchange(HEAD).catch((error: Error) => errors.push(error.message));
    expect(errors).to.have.length(2);
  });
});
