import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { closeServer, listen } from '@backhaul/runtime';
import { FakeClock, type TemporaryDirectory, temporaryDirectory, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { InstallerClient } from '../src/install/installer-client.ts';

const MINUTE = 60_000;

describe('asking the installer', () => {
  let clock: FakeClock;
  let folder: TemporaryDirectory;
  let server: Server;
  let connection: Socket | undefined;
  let client: InstallerClient;

  beforeEach(async () => {
    clock = new FakeClock();
    folder = await temporaryDirectory('bh-installer-');
    connection = undefined;
    server = createServer((socket) => {
      connection = socket.on('error', () => {}).resume();
    });
    const path = join(folder.path, 'installer.sock');
    await listen(server, { path });
    client = new InstallerClient(path, clock);
  });
  afterEach(async () => {
    connection?.destroy();
    await closeServer(server);
    await folder.remove();
  });

  const ask = (onProgress?: () => void) => {
    const judge = { op: 'judge', manifest: '', signature: '', publicKey: '' } as const;
    const asked = client.ask(judge, new AbortController().signal, onProgress);
    return asked.then(
      () => 'yes',
      ({ code, retryable }) => `${code}, ${retryable ? 'again' : 'final'}`,
    );
  };
  const connected = () => until('it is asked', () => connection !== undefined);

  it('gives up one that says nothing for ten minutes', async () => {
    const answer = ask();
    await connected();
    await clock.advance(10 * MINUTE);
    expect(await answer).to.equal('BH-E-INSTALL, again');
    await until('it has hung up', () => connection?.closed === true);
    expect(clock.pending).to.equal(0);
  });

  it('waits on as long as it says something', async () => {
    let lines = 0;
    const answer = ask(() => void lines++);
    await connected();
    for (let minutes = 0; minutes < 30; minutes += 6) {
      const before = lines;
      connection?.write('{"progress":"percent","percent":1}\n');
      await until('it has come', () => lines > before);
      await clock.advance(6 * MINUTE);
    }
    connection?.write('{"ok":true}\n');
    expect(await answer).to.equal('yes');
    expect(clock.pending).to.equal(0);
  });
});
