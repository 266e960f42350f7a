import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ports from which connections outward take theirs: between this choice and its use nobody gets it by chance. */
const FROM = 10_000;
const TO = 32_000;
const TRIES = 50;

const given = new Set<number>();

/** A port that nobody listens on right now, another each time. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(FROM, TO);
    if (given.has(port) || !(await isFree(port, host))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port after ${TRIES} tries`);
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
