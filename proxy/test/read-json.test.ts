import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toBackhaulError } from '@backhaul/runtime';
import { expect } from 'chai';
import { request } from 'undici';
import { readJson } from '../src/api/read-json.ts';

const LIMIT = 1_000;

describe('the JSON of a request', () => {
  let server: Server;
  before((done) => {
    const read = readJson(LIMIT);
    server = createServer((incoming, response) => {
      const answer = (thrown?: unknown) => {
        const { body } = incoming as { body?: unknown };
        response.end(JSON.stringify(thrown === undefined ? { body } : { code: toBackhaulError(thrown).code }));
      };
      try {
        read(incoming, response, answer);
      } catch (thrown) {
        answer(thrown);
      }
    }).listen(0, '127.0.0.1', done);
  });
  after((done) => void server.close(done));

  const send = async (body: string | Buffer | AsyncIterable<Buffer>, headers: Record<string, string> = {}) => {
    const { port } = server.address() as AddressInfo;
    const options = { method: 'POST', headers, body: body as Buffer, reset: true } as const;
    return (await request(`http://127.0.0.1:${port}/`, options)).body.json();
  };

  it('is read whatever the type says, with a byte order mark, in UTF-8 by any of its names', async () => {
    expect(await send('{"a":1}')).to.deep.equal({ body: { a: 1 } });
    expect(await send('\ufeff{"a":1}')).to.deep.equal({ body: { a: 1 } });
    expect(await send('"ä"', { 'content-type': 'text/plain; charset="UTF8"' })).to.deep.equal({ body: 'ä' });
    expect(await send('{}', { 'content-encoding': 'identity' })).to.deep.equal({ body: {} });
  });

  it('is refused packed, in another alphabet, and when it is none', async () => {
    const refused = { code: 'BH-E-JSON' };
    expect(await send('{}', { 'content-encoding': 'gzip' })).to.deep.equal(refused);
    expect(await send('{}', { 'content-type': 'application/json; charset=utf-16' })).to.deep.equal(refused);
    expect(await send('{')).to.deep.equal(refused);
  });

  it('is refused when it turns out too large while it comes', async () => {
    async function* chunks() {
      for (let n = 0; n < 3; n += 1) yield Buffer.alloc(LIMIT / 2, ' ');
    }
    expect(await send(chunks())).to.deep.equal({ code: 'BH-E-LIMIT-REQUEST' });
  });
});
