import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { temporaryDirectory } from '@backhaul/testkit';

const BLOCK = Buffer.alloc(256 * 1024, 'x');
const BLOCKS = 1_024;

/** Bytes a µs that this machine takes to its disk, each block synced, and through a loopback connection. */
export interface PhysicalRates {
  readonly disk: number;
  readonly wire: number;
}

export async function physicalRates(): Promise<PhysicalRates> {
  return { disk: await diskRate(), wire: await wireRate() };
}

async function diskRate(): Promise<number> {
  await using folder = await temporaryDirectory('bh-bench-');
  const file = await open(join(folder.path, 'f'), 'w');
  try {
    const from = performance.now();
    for (let block = 1; block <= BLOCKS; block += 1) {
      await file.write(BLOCK);
      await file.datasync();
    }
    return rate(from);
  } finally {
    await file.close();
  }
}

async function wireRate(): Promise<number> {
  const server = createServer((socket) => socket.resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const from = performance.now();
  for (let block = 1; block <= BLOCKS; block += 1) if (!socket.write(BLOCK)) await once(socket, 'drain');
  const measured = rate(from);
  socket.destroy();
  server.close();
  return measured;
}

const rate = (from: number): number => (BLOCKS * BLOCK.length) / ((performance.now() - from) * 1_000);
