import { systemRandom } from '@backhaul/runtime';
import { type MailboxSubject, mailboxContract } from '@backhaul/spool/contract';
import { FakeClock, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { SqlMailboxes } from '../src/mailboxes/sql-mailboxes.ts';
import { allMigrations } from '../src/store/all-migrations.ts';
import { Facts } from '../src/store/facts.ts';
import { databasePath, SqliteDatabase } from '../src/store/sqlite-database.ts';
import { TestAppserver } from './support/test-appserver.ts';

async function open(folder: TemporaryDirectory, clock: FakeClock, quota = { maxMessages: 1_000, maxBytes: 1_000_000 }) {
  const database = new SqliteDatabase({ path: databasePath(folder.path), migrations: allMigrations([]) });
  await database.start();
  const facts = new Facts(database);
  await facts.load(systemRandom);
  const mailboxes = new SqlMailboxes({ database, clock, quota, epoch: () => facts.require('mailboxEpoch') });
  await mailboxes.load();
  return { database, mailboxes };
}

async function subjectIn(folder: TemporaryDirectory, clock = new FakeClock(1_000)): Promise<MailboxSubject> {
  const { database, mailboxes } = await open(folder, clock);
  return {
    mailboxes,
    put: (owners, message) => database.transaction((tx) => mailboxes.put(tx, owners, message)),
    expire: async (now) => void (await database.transaction((tx) => mailboxes.expire(tx, now))),
    setNow: (now) => clock.jump(now - clock.now()),
    reopen: async () => {
      await database.stop();
      return subjectIn(folder, clock);
    },
    close: async () => {
      await database.stop();
      await folder.remove();
    },
  };
}

mailboxContract('SqlMailboxes', async () => subjectIn(await temporaryDirectory()));

describe('SqlMailboxes', () => {
  const message = (id: string, bytes = 10) => ({
    id,
    header: Buffer.alloc(1),
    body: Buffer.alloc(bytes - 1),
    receivedAt: 1_000,
  });

  it('S5: keeps one copy, and drops it with its last reference', async () => {
    await using folder = await temporaryDirectory();
    const { database, mailboxes } = await open(folder, new FakeClock(1_000));
    await database.transaction((tx) => mailboxes.put(tx, ['a.m1', 'b.m1'], message('one')));
    const copies = () => database.read<{ n: number }>('SELECT COUNT(*) AS "n" FROM "mailboxMessages"', []);
    const { epoch } = await mailboxes.read('a.m1', { maxMessages: 9, maxBytes: 99 });
    await mailboxes.acknowledge('a.m1', epoch, 1);
    expect((await copies())[0]!.n).to.equal(1);
    await mailboxes.read('b.m1', { maxMessages: 9, maxBytes: 99 });
    await mailboxes.acknowledge('b.m1', epoch, 1);
    expect((await copies())[0]!.n).to.equal(0);
    await database.stop();
  });

  it('an owner past its quota refuses, and nothing is written for anybody', async () => {
    await using folder = await temporaryDirectory();
    const { database, mailboxes } = await open(folder, new FakeClock(1_000), { maxMessages: 2, maxBytes: 1_000 });
    for (const id of ['1', '2']) await database.transaction((tx) => mailboxes.put(tx, ['a.m1'], message(id)));
    const refused = await database
      .transaction((tx) => mailboxes.put(tx, ['b.m1', 'a.m1'], message('3')))
      .catch((error) => error.code);
    expect(refused).to.equal('BH-E-SPOOL-FULL');
    expect((await mailboxes.read('b.m1', { maxMessages: 9, maxBytes: 99 })).messages).to.have.length(0);
    expect(mailboxes.depths()).to.deep.equal([{ owner: 'a.m1', messages: 2, bytes: 20 }]);
    await database.stop();
  });

  it('a put that is undone leaves no number behind', async () => {
    await using folder = await temporaryDirectory();
    const { database, mailboxes } = await open(folder, new FakeClock(1_000));
    const undone = database.transaction(async (tx) => {
      await mailboxes.put(tx, ['a.m1'], message('lost'));
      throw new Error('undo');
    });
    await undone.catch(() => undefined);
    await database.transaction((tx) => mailboxes.put(tx, ['a.m1'], message('kept')));
    const page = await mailboxes.read('a.m1', { maxMessages: 9, maxBytes: 99 });
    expect(page.messages.map(({ id, number }) => [id, number])).to.deep.equal([['kept', 1]]);
    await database.stop();
  });

  it('a revoked message is in nobody’s mailbox any more', async () => {
    await using folder = await temporaryDirectory();
    const { database, mailboxes } = await open(folder, new FakeClock(1_000));
    await database.transaction((tx) => mailboxes.put(tx, ['a.m1', 'b.m1'], message('one')));
    expect(await database.transaction((tx) => mailboxes.revoke(tx, 'one'))).to.have.members(['a.m1', 'b.m1']);
    expect(mailboxes.depths()).to.deep.equal([]);
    await database.stop();
  });

  it('staff see owners with depth, oldest and acknowledged, and answer a poll that is held', async () => {
    const test = await TestAppserver.create();
    try {
      const { mlms, proxies } = await test.addSite('site-seen', 1);
      const [owner] = mlms;
      const listed = (await test.api('GET', '/mailboxes')).body.items;
      expect(listed.map((row: { owner: string }) => row.owner)).to.deep.equal(mlms);
      expect(listed[0]).to.include({ messages: 1, acknowledged: 0, last: 1 });
      expect(listed[0].oldestAt).to.be.a('number');
      expect((await test.api('GET', `/mailboxes/${proxies[0]}`)).status).to.equal(404);
      expect((await test.api('POST', `/mailboxes/${owner}/poke`, undefined)).body).to.deep.equal({ owner, held: 0 });
      const { mailboxes } = test.appserver;
      const page = await mailboxes.read(owner!, { maxMessages: 10, maxBytes: 1_000_000 });
      await mailboxes.acknowledge(owner!, page.epoch, page.through);
      const held = mailboxes.wait(owner!, 60_000, new AbortController().signal);
      expect((await test.api('POST', `/mailboxes/${owner}/poke`, undefined)).body).to.deep.equal({ owner, held: 1 });
      expect(await held).to.equal(true);
      expect((await test.api('GET', `/mailboxes/${owner}`)).body).to.include({
        messages: 0,
        acknowledged: 1,
        oldestAt: null,
      });
    } finally {
      await test.stop();
    }
  });
});
