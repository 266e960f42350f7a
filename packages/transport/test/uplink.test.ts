import type { Verdict } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { FakeClock, freePort, leakCheck, seededRandom, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Lower, type LowerOptions, lower, type Upper, upper } from './support/hop.ts';
import {
  downwardMessage,
  messageId,
  OTHER_MLM,
  PROXY,
  sequencesOf,
  spoolEntries,
  spoolEntry,
} from './support/messages.ts';

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe('uplink', () => {
  leakCheck({ before, after });
  let above: Upper;
  let below: Lower;
  const connect = async (options: Partial<LowerOptions> = {}): Promise<void> => {
    below = await lower({ parents: [{ url: above.listener.url }], ...options });
  };
  const drained = (): Promise<void> => until('the spool is empty', () => below.spool.depth().messages === 0);

  beforeEach(async () => {
    above = await upper();
  });
  afterEach(async () => {
    await below.stop();
    await above.stop();
  });

  describe('forward channel', () => {
    it('carries a batch in one envelope, in order, and empties the spool by the verdicts', async () => {
      await connect();
      await below.submit(spoolEntries(1, 256));
      await drained();
      expect(above.handler.envelopes).to.deep.equal([256]);
      expect(sequencesOf(above.handler.effects)).to.deep.equal(upTo(256));
      expect(below.uplink.status()).to.include({ connected: true, backlog: 0, parent: 'c12345678.m1' });
    });

    it('sends a single message at once on an idle link', async () => {
      await connect();
      await until('greeted', () => below.uplink.status().connected);
      const began = performance.now();
      await below.submit([spoolEntry(1)]);
      await until('it is there', () => above.handler.effects.length === 1);
      expect(performance.now() - began).to.be.below(200);
    });

    it('adds its own routing element, and the body passes byte for byte [E2, E5]', async () => {
      await connect();
      const entry = { ...spoolEntry(1), expiresAt: Date.now() + 60_000 };
      await below.submit([entry]);
      await drained();
      const { header, body } = above.handler.effects[0]!;
      expect(Buffer.from(body).equals(entry.body)).to.equal(true);
      expect(header.routing).to.have.length(1);
      expect(header.routing[0]).to.include({ id: PROXY, in: entry.receivedAt });
      expect(header.routing[0]!.left).to.be.within(50_000, 60_000);
    });

    it('keeps link order with several envelopes in flight', async () => {
      await connect({ maxMessages: 3 });
      let inFlight = 0;
      above.handler.before = async () => {
        inFlight = Math.max(inFlight, Number(await gauge(below, 'uplink_in_flight')));
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
      };
      await below.submit(spoolEntries(1, 100));
      await drained();
      expect(sequencesOf(above.handler.effects)).to.deep.equal(upTo(100));
      expect(inFlight).to.be.within(2, 8);
    });

    it('settles each message by its own verdict', async () => {
      const tries = new Map<number, number>();
      above.handler.judge = ({ header: { sequence } }): Verdict => {
        tries.set(sequence, (tries.get(sequence) ?? 0) + 1);
        if (sequence === 2) return { accepted: false, code: 'BH-E-SPOOF', retryable: false, detail: 'not below' };
        const throttled = sequence === 3 && tries.get(3)! < 3;
        return throttled ? { accepted: false, code: 'BH-E-THROTTLE', retryable: true, waitMs: 30 } : { accepted: true };
      };
      await connect();
      await below.submit(spoolEntries(1, 4));
      await drained();
      expect(sequencesOf(above.handler.effects)).to.deep.equal([1, 4, 3]);
      expect([...tries.values()]).to.deep.equal([1, 1, 3, 1]);
      expect(below.removed).to.have.length(1);
      expect(below.removed[0]).to.deep.include({ reason: 'dead-letter', code: 'BH-E-SPOOF', detail: 'not below' });
      expect(below.removed[0]!.entry.sequence).to.equal(2);
    });

    it('keeps everything while the parent takes nothing, and waits as long as it asks', async () => {
      const asked: number[] = [];
      above.handler.before = async () => {
        asked.push(performance.now());
        if (asked.length < 3) throw new BackhaulError('BH-E-SPOOL-FULL', { retryAfterMs: 150 });
      };
      await connect();
      await below.submit(spoolEntries(1, 5));
      await until('refused once', () => asked.length === 1);
      await until('it is told', () => below.uplink.status().lastError?.code === 'BH-E-SPOOL-FULL');
      expect(below.uplink.status()).to.include({ connected: true, backlog: 5 });
      await drained();
      expect(asked[1]! - asked[0]!).to.be.at.least(145);
      expect(sequencesOf(above.handler.effects)).to.deep.equal(upTo(5));
    });

    it('narrows a refusal of the content down to the one message', async () => {
      const fits = spoolEntry(4).header.length;
      await connect();
      const padded = spoolEntry(3);
      const long = Buffer.alloc(16_384 - fits - 20, 'x'); // no room for another routing element
      const header = Buffer.from(Buffer.from(padded.header).toString().replace('</header>', `${long}</header>`));
      await below.submit([...spoolEntries(1, 2), { ...padded, header }, ...spoolEntries(4, 3)]);
      await drained();
      expect(sequencesOf(above.handler.effects)).to.have.members([1, 2, 4, 5, 6]);
      expect(below.removed.map(({ entry, code }) => [entry.sequence, code])).to.deep.equal([[3, 'BH-E-LIMIT-HEADER']]);
    });

    it('several envelopes are taken, in link order, while the first of them is being made durable', async () => {
      const taken: number[] = [];
      const durable = Promise.withResolvers<void>();
      above.handler.before = async (messages) => {
        taken.push(...messages.map(({ header }) => header.sequence));
        if (taken.length === 3) durable.resolve();
        if (taken.length > 1) await durable.promise; // the first is answered at once: the window opens with it
      };
      await connect({ maxMessages: 1 });
      await below.submit(spoolEntries(1, 3));
      await drained();
      expect(taken).to.deep.equal([1, 2, 3]);
    });

    it('sends again what it could not store the answer of [S4]', async () => {
      let told = 0;
      above.handler.judge = () => ({ accepted: false, code: 'BH-E-SCHEMA', retryable: false });
      await connect({
        onRemoved: () => {
          told += 1;
          if (told === 1) throw new BackhaulError('BH-E-SPOOL-FULL');
          return { ops: [], applied: () => {} };
        },
      });
      await below.submit([spoolEntry(1)]);
      await until('its receipt could not be made', () => told === 1);
      expect(below.spool.depth().messages).to.equal(1);
      await drained();
      expect(above.handler.envelopes).to.deep.equal([1, 1]);
    });

    it('asks for marks in the first exchange, before it sends anything', async () => {
      above.handler.ownMarks = [{ source: PROXY, epoch: '00000000000000aa', lane: 6, through: 40 }];
      const told: unknown[] = [];
      await connect({
        onMarks: async (marks) => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          told.push(...marks, above.handler.effects.length);
        },
      });
      await below.submit(spoolEntries(41, 2));
      await drained();
      expect(told).to.deep.equal([above.handler.ownMarks[0], 0]);
    });

    it('compresses what is worth it, with what the parent said it takes', async () => {
      await above.stop();
      above = await upper({ compress: true });
      await connect({ compress: true, parents: [{ url: above.listener.url }] });
      await below.submit([spoolEntry(1, { bytes: 50_000 })]);
      await drained();
      expect(above.handler.effects[0]!.body).to.have.length(50_000);
      const sent = /uplink_bytes_total\{direction="out"\} (\d+)/.exec(await below.metrics.text());
      expect(Number(sent![1])).to.be.below(5000);
    });
  });

  describe('back-channel', () => {
    it('delivers within moments, acknowledges what is durable, and so empties the mailbox [B1, B2]', async () => {
      await connect();
      await until('greeted', () => below.uplink.status().connected);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const began = performance.now();
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      await until('it is here', () => below.downward.received.length === 1);
      expect(performance.now() - began).to.be.below(200);
      expect(below.downward.received).to.deep.equal([messageId(1)]);
      await until('it has left the mailbox', () => above.handler.mailboxes.depth(PROXY) === 0);
    });

    it('is asked again for what it could not store', async () => {
      await connect();
      below.downward.failing = true;
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(above.handler.mailboxes.depth(PROXY)).to.equal(1);
      below.downward.failing = false;
      await until('it is here', () => below.downward.received.length === 1);
    });

    it('is not asked again while what it gave is being stored', async () => {
      await connect();
      below.downward.takesMs = 100;
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      await until('it has left the mailbox', () => above.handler.mailboxes.depth(PROXY) === 0);
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect(below.downward.received).to.deep.equal([messageId(1)]);
    });

    it('says since when something is being taken that does not end', async () => {
      const clock = new FakeClock();
      await connect({ clock });
      await until('greeted', () => below.uplink.status().connected);
      const { promise, resolve } = Promise.withResolvers<void>();
      const { downward } = below;
      const receive = downward.receive.bind(downward);
      let since: number | undefined;
      downward.receive = async (messages, mailbox) => {
        since = clock.now();
        await promise;
        await receive(messages, mailbox);
      };
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      await until('it is being taken', () => since !== undefined);
      await clock.advance(59_000);
      expect(below.uplink.status().receiveStalledAt).to.equal(undefined);
      await clock.advance(1_000);
      expect(below.uplink.status().receiveStalledAt).to.equal(since);
      resolve();
      await until('it is here', () => downward.received.length === 1);
      await until('all is well again', () => below.uplink.status().receiveStalledAt === undefined);
    });

    it('reads a mailbox of another epoch from its beginning', async () => {
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      await connect({ acknowledged: { epoch: 'lost', through: 9 } });
      await until('it is here', () => below.downward.received.length === 1);
      await until('it has left the mailbox', () => above.handler.mailboxes.depth(PROXY) === 0);
      expect(below.uplink.status().connected).to.equal(true);
    });

    it('leaves a message out that cannot be read, and goes on', async () => {
      await connect();
      above.handler.mailboxes.put(PROXY, { ...downwardMessage(1), header: Buffer.from('<header>x</header>') });
      above.handler.mailboxes.put(PROXY, downwardMessage(2));
      await until('the second is here', () => below.downward.received.length === 1);
      expect(below.downward.received).to.deep.equal([messageId(2)]);
      await until('both have left', () => above.handler.mailboxes.depth(PROXY) === 0);
    });
  });

  describe('parents', () => {
    let second: Upper;
    beforeEach(async () => {
      second = await upper({ self: OTHER_MLM });
    });
    afterEach(() => second.stop());

    it('goes to the next parent when the first does not answer', async () => {
      const { url } = above.listener;
      await above.stop();
      await connect({ parents: [{ url }, { id: OTHER_MLM, url: second.listener.url }] });
      await below.submit(spoolEntries(1, 3));
      await drained();
      expect(sequencesOf(second.handler.effects)).to.deep.equal([1, 2, 3]);
      expect(below.uplink.status()).to.include({ connected: true, parent: OTHER_MLM });
      expect(below.uplink.status().lastError).to.include({ code: 'BH-E-PARENT-UNREACHABLE' });
    });

    it('refuses a parent with another identity, and sends it nothing [BH-E-ID-PARENT]', async () => {
      await connect({ parents: [{ url: second.listener.url }] });
      await below.submit(spoolEntries(1, 3));
      await until('it is noticed', () => below.uplink.status().lastError !== undefined);
      expect(below.uplink.status().lastError!.code).to.equal('BH-E-ID-PARENT');
      expect(below.uplink.status()).to.include({ connected: false, backlog: 3 });
      expect(second.handler.envelopes).to.deep.equal([]);
    });
  });

  it('tries again with full jitter, at most every 30 s, while no parent is there', async () => {
    const clock = new FakeClock();
    await connect({ parents: [{ url: `https://127.0.0.1:${await freePort()}` }], clock, random: seededRandom(11) });
    const pauses: number[] = [];
    for (let attempt = 1; attempt <= 12; attempt++) {
      await until(`attempt ${attempt} has failed`, () => below.uplink.status().nextRetryAt !== undefined);
      const pause = below.uplink.status().nextRetryAt! - clock.now();
      expect(pause).to.be.within(1, Math.min(30_000, 250 * 2 ** attempt));
      expect(Number.isInteger(pause)).to.equal(true);
      pauses.push(pause);
      await clock.advance(pause);
    }
    expect(Math.max(...pauses)).to.be.above(10_000);
    expect(new Set(pauses).size).to.equal(12);
  });

  it('stops in the middle of everything, twice, and releases what is in flight', async () => {
    await connect();
    let entered = false;
    above.handler.before = () => {
      entered = true;
      return new Promise((resolve) => setTimeout(resolve, 200));
    };
    await below.submit(spoolEntries(1, 3));
    await until('in flight', () => entered);
    await below.uplink.stop();
    await below.uplink.stop();
    expect(below.spool.depth()).to.include({ messages: 0, inFlight: 0 });
  });
});

async function gauge(below: Lower, name: string): Promise<string> {
  return new RegExp(`${name} (\\d+)`).exec(await below.metrics.text())?.[1] ?? '';
}
