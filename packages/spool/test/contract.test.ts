import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { LaneQueue, LevelMailboxes, LevelStore, MemoryStore, type Store } from '@backhaul/spool';
import {
  type MailboxSubject,
  mailboxContract,
  type SpoolLimits,
  type SpoolSubject,
  type StoreSubject,
  spoolContract,
  storeContract,
} from '@backhaul/spool/contract';

/** Makes a store over the same data again and again; `remove` deletes the data. */
interface Disk {
  open(): Promise<Store>;
  remove(): Promise<void>;
}

async function levelDisk(): Promise<Disk> {
  const directory = await mkdtemp(join(tmpdir(), 'spool-'));
  const options = { directory, clock: systemClock, logger: silentLogger, ballastBytes: 0 };
  return {
    async open() {
      const store = new LevelStore(options);
      await store.start();
      return store;
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

async function memoryDisk(): Promise<Disk> {
  const store = new MemoryStore();
  return {
    async open() {
      await store.start();
      return store;
    },
    remove: async () => {},
  };
}

const disks = { LevelStore: levelDisk, MemoryStore: memoryDisk };

/** Begins at 1,000; moves when told to, wall and monotonic time together. */
class StillClock implements Clock {
  time = 1_000;
  now = (): number => this.time;
  monotonic = (): number => this.time;
  after = systemClock.after;
  sleep = systemClock.sleep;
}

async function storeSubject(disk: Disk): Promise<StoreSubject> {
  const store = await disk.open();
  return {
    store,
    async reopen() {
      await store.stop();
      return storeSubject(disk);
    },
    async close() {
      await store.stop();
      await disk.remove();
    },
  };
}

async function spoolSubject(disk: Disk, limits: SpoolLimits, clock = new StillClock()): Promise<SpoolSubject> {
  const store = await disk.open();
  const spool = new LaneQueue({ store, clock, prefix: 'up', ...limits });
  await spool.load();
  return {
    spool,
    store,
    setNow: (now) => (clock.time = now),
    async reopen() {
      await store.stop();
      return spoolSubject(disk, limits, clock);
    },
    async close() {
      await store.stop();
      await disk.remove();
    },
  };
}

async function mailboxSubject(disk: Disk, clock = new StillClock()): Promise<MailboxSubject> {
  const store = await disk.open();
  const quotas = { quotaBytes: 1_000_000, quotaMessages: 1_000 };
  const mailboxes = new LevelMailboxes({ store, clock, random: systemRandom, prefix: 'down', ...quotas });
  await mailboxes.load();
  const commit = async (change: ReturnType<LevelMailboxes['stageRevoke']>): Promise<void> => {
    await store.commit(change.ops);
    change.applied();
  };
  return {
    mailboxes,
    put: (owners, message) => commit(mailboxes.stagePut(owners, message)),
    expire: (now) => commit(mailboxes.expire(now).change),
    setNow: (now) => (clock.time = now),
    async reopen() {
      await store.stop();
      return mailboxSubject(disk, clock);
    },
    async close() {
      await store.stop();
      await disk.remove();
    },
  };
}

const LIMITS = { maxMessages: 10_000, maxBytes: 100_000_000 };
for (const [name, makeDisk] of Object.entries(disks)) {
  storeContract(name, async () => storeSubject(await makeDisk()));
  spoolContract(`LaneQueue over ${name}`, async (limits = LIMITS) => spoolSubject(await makeDisk(), limits));
  mailboxContract(`LevelMailboxes over ${name}`, async () => mailboxSubject(await makeDisk()));
}
