import { writeFile } from 'node:fs/promises';
import { BackhaulError, silentLogger } from '@backhaul/runtime';
import { commitChanges, MemoryStore } from '@backhaul/spool';
import { FakeClock, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { InstallRunner } from '../src/install/install-runner.ts';
import { PROXY } from './support/test-parent.ts';

const OFFER = {
  ...{ id: '0'.repeat(26), manifest: '', signature: '', publicKey: '', sha256: 'a'.repeat(64), size: 1 },
  ...{ name: 'agent', version: '1.0.0' },
};

describe('the runner of installs', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let folder: TemporaryDirectory;
  let runner: InstallRunner;
  let full: boolean;
  let asked: string[];
  let onAsk: (op: string) => void | Promise<void>;

  const outbox = {
    stage: (drafts: readonly unknown[], { receipts = false } = {}) => {
      if (full && drafts.length > 0) throw new BackhaulError('BH-E-SPOOL-FULL', { retryAfterMs: 5_000 });
      expect(receipts, 'the room for accounts may be used').to.equal(true);
      return { results: [], changes: [] };
    },
  };
  const installer = {
    ask: async ({ op }: { op: string }) => {
      asked.push(op);
      await onAsk(op);
    },
  };

  beforeEach(async () => {
    [full, asked, onAsk] = [false, [], () => {}];
    clock = new FakeClock();
    store = new MemoryStore();
    folder = await temporaryDirectory('bh-install-');
    await store.start();
    runner = new InstallRunner({
      ...{ self: PROXY, store, clock, logger: silentLogger, artifactsDirectory: folder.path },
      ...{ outbox: outbox as never, installer: installer as never, metrics: { installs: { inc: () => {} } } as never },
      fetchArtifact: (_sha256, _size, path) => writeFile(path, 'x'),
    });
    await runner.load();
  });
  afterEach(async () => {
    await runner.stop();
    await store.stop();
    await folder.remove();
  });

  const seconds = async (count: number) => {
    for (let second = 0; second < count; second += 1) {
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(1_000);
    }
  };
  const untilAsked = async (op: string) => {
    for (let turn = 0; turn < 1_000 && !asked.includes(op); turn += 1) await seconds(1);
    expect(asked).to.include(op);
  };
  const offer = () => commitChanges(store, [runner.stageOffer(OFFER).change]);

  it('what is installed is not installed again because there is no room for the word of it', async () => {
    onAsk = (op) => {
      full = op === 'install';
    };
    await offer();
    await runner.start();
    await untilAsked('install');
    await seconds(1_800);
    expect(asked).to.deep.equal(['judge', 'install']);
    expect(runner.jobs()).to.have.nested.property('[0].attempts', 0);
    full = false;
    await seconds(61);
    expect(asked).to.deep.equal(['judge', 'install']);
    expect(runner.jobs()[0]).to.include({ step: 'ended', outcome: 'done' });
  }).timeout(20_000);

  it('stops while a step waits for the store, and takes it up again at the next start', async () => {
    onAsk = () => {
      full = true;
    };
    await offer();
    await runner.start();
    await untilAsked('judge');
    await seconds(5);
    await runner.stop();
    [full, onAsk] = [false, () => {}];
    await runner.start();
    await untilAsked('install');
    await seconds(2);
    expect(runner.jobs()[0]).to.include({ step: 'ended', outcome: 'done' });
  });

  it('a job that a reopening brings back is not put off by a look before it', async () => {
    await runner.start(); // sleeps: there is nothing to do
    const { change } = runner.stageOffer(OFFER);
    await store.commit(change.ops);
    await runner.load();
    await seconds(2);
    expect(asked).to.include('judge');
  });
});
