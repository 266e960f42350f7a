import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { openReceiver } from './support/open-receiver.ts';

const PROCESS = fileURLToPath(new URL('./support/receiving-process.ts', import.meta.url));
const ROUNDS = 3;

/** Takes messages in a process of its own until that is killed; returns what it has answered for. */
async function receiveUntilKilled(
  folder: string,
  peer: string,
  proxy: string,
  lines: number,
): Promise<Map<string, number>> {
  const child = spawn(
    process.execPath,
    [...process.execArgv, '--conditions=backhaul-source', PROCESS, folder, peer, proxy],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const accepted = new Map<string, number>();
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [lane, , last] = line.split(' ');
    accepted.set(lane!, Math.max(Number(last), accepted.get(lane!) ?? 0));
    if (++seen === lines) child.kill('SIGKILL');
  }
  await exited;
  return accepted;
}

describe('The application server, killed at work', () => {
  it('has everything it answered for, once, with all that came of it; what comes again changes nothing', async () => {
    await using folder = await temporaryDirectory();
    const setUp = await openReceiver(folder.path);
    const { id } = await setUp.directory.addCustomer('Killed');
    await setUp.directory.addSite(id, 'site-k');
    const [mlm, proxy] = await setUp.directory.ensureComponents({ customer: id, site: 'site-k', mlms: 1, proxies: 1 });
    await setUp.database.stop();

    for (let round = 0; round < ROUNDS; round++) {
      const accepted = await receiveUntilKilled(folder.path, mlm!.id, proxy!.id, 20 + 13 * round);
      const { database, receiver } = await openReceiver(folder.path);
      const rows = await database.read<{ lane: number; sequence: number; id: string }>(
        'SELECT "lane", "sequence", "id" FROM "messages" WHERE "direction" = \'up\'',
        [],
      );
      const alarms = await database.read<{ alarmId: string }>('SELECT "alarmId" FROM "alarms"', []);
      for (const lane of [4, 6]) {
        const sequences = rows
          .filter((row) => row.lane === lane)
          .map(({ sequence }) => sequence)
          .toSorted((a, b) => a - b);
        expect(sequences, `lane ${lane}`).to.deep.equal(sequences.map((_, n) => n + 1));
        expect(sequences.length, `lane ${lane}`).to.be.at.least(accepted.get(String(lane)) ?? 0);
        const mark = receiver
          .marks({ identity: { trustDomain: 't', customer: id, kind: 'proxy', id: proxy!.id }, address: '' })
          .find((one) => one.lane === lane);
        expect(mark!.through).to.equal(sequences.length);
      }
      expect(alarms.length).to.equal(rows.filter(({ lane }) => lane === 4).length);
      await receiver.stop();
      await database.stop();
    }
  }).timeout(60_000);
});
