import { createServer, type IncomingMessage } from 'node:http';
import { Pool } from 'undici';
import type { PeerClient } from '../peers/peer.ts';

const WINDOW = 64;
const HEADERS = { 'content-type': 'application/octet-stream' };

export const nginxClient: PeerClient = {
  window: WINDOW,
  async produce(address) {
    const pool = new Pool(address.in, { connections: WINDOW });
    return { send: (message) => post(pool, message as Buffer) };
  },
  async consume(address, arrived) {
    const server = createServer((request, response) => {
      whole(request, (message) => {
        arrived(message);
        response.writeHead(204).end();
      });
    });
    server.keepAliveTimeout = 0;
    await new Promise<void>((resolve) => server.listen(Number(new URL(address.out).port), '127.0.0.1', resolve));
  },
};

async function post(pool: Pool, body: Buffer): Promise<void> {
  const reply = await pool.request({ method: 'POST', path: '/', body, headers: HEADERS });
  if (reply.statusCode !== 204) throw new Error(`nginx answered ${reply.statusCode}`);
  await reply.body.dump();
}

function whole(request: IncomingMessage, then: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => then(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
}
