import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { CustomerLimits } from '../make-room.ts';
import { commitChanges, type Store } from '../store.ts';
import type { Claim, Removed, Settlement, Spool, SpoolEntry } from '../types.ts';
import { codeOf, sampleEntries, sampleEntry } from './samples.ts';

export interface SpoolLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly perChild?: { readonly maxMessages: number; readonly maxBytes: number };
  readonly perCustomer?: CustomerLimits;
}

export interface SpoolSubject {
  readonly spool: Spool;
  readonly store: Store;
  /** time passes until then; it begins at 1,000 */
  setNow(now: number): void;
  /** the same spool after a crash: nothing in memory is kept */
  reopen(): Promise<SpoolSubject>;
  close(): Promise<void>;
}

const ALL = { maxMessages: 256, maxBytes: 1_000_000 };
const accepted: Settlement = { outcome: 'accepted' };

export function spoolContract(name: string, makeSubject: (limits?: SpoolLimits) => Promise<SpoolSubject>): void {
  describe(`${name} is a Spool`, () => {
    let subject: SpoolSubject;
    beforeEach(async () => {
      subject = await makeSubject();
    });
    afterEach(() => subject.close());

    const put = async (...entries: SpoolEntry[]): Promise<void> => {
      await commitChanges(subject.store, [subject.spool.stage(entries)]);
    };
    const settle = async (claim: Claim, settlement: Settlement | readonly Settlement[]) => {
      const all = Array.isArray(settlement) ? settlement : claim.entries.map(() => settlement as Settlement);
      const { change, removed } = subject.spool.settle(claim, all);
      await commitChanges(subject.store, [change]);
      return removed;
    };
    const ids = (claim: Claim | undefined): string[] => claim?.entries.map(({ id }) => id) ?? [];
    const idsOf = (entries: readonly { id: string }[]): string[] => entries.map(({ id }) => id);
    const restrict = async (limits: Partial<SpoolLimits>): Promise<void> => {
      await subject.close();
      subject = await makeSubject({ maxMessages: 1_000, maxBytes: 1_000_000, ...limits });
    };

    it('gives back what was put, byte for byte', async () => {
      const entry = sampleEntry({
        header: Buffer.from([0, 255]),
        body: Buffer.from([13, 10, 0]),
        expiresAt: 9_000,
        persistent: true,
      });
      await put(entry);
      const claim = await subject.spool.claim(ALL);
      const [got] = claim!.entries;
      expect({ ...got, header: Buffer.from(got!.header), body: Buffer.from(got!.body) }).to.deep.equal(entry);
      expect(claim!.bytes).to.equal(5);
    });

    it('shows nothing that is not committed', async () => {
      subject.spool.stage([sampleEntry()]);
      expect(await subject.spool.claim(ALL)).to.equal(undefined);
      expect(subject.spool.depth().messages).to.equal(0);
    });

    it('S3: claims follow lane, then the order of arrival', async () => {
      const low = sampleEntries(2, { lane: 6 });
      const urgent = sampleEntries(2, { lane: 2 });
      const more = sampleEntries(2, { lane: 6 });
      await put(...low, ...urgent);
      await put(...more);
      const first = await subject.spool.claim(ALL);
      expect(first!.lane).to.equal(2);
      expect(ids(first)).to.deep.equal(idsOf(urgent));
      expect(ids(await subject.spool.claim(ALL))).to.deep.equal(idsOf([...low, ...more]));
      expect(await subject.spool.claim(ALL)).to.equal(undefined);
    });

    it('merges small batches into one claim, and splits large ones, within the budget', async () => {
      const entries = sampleEntries(10, { header: Buffer.alloc(10), body: Buffer.alloc(90) });
      for (const entry of entries) await put(entry);
      const first = await subject.spool.claim({ maxMessages: 4, maxBytes: 10_000 });
      const second = await subject.spool.claim({ maxMessages: 100, maxBytes: 350 });
      const third = await subject.spool.claim({ maxMessages: 100, maxBytes: 1 });
      expect([first, second, third].map((claim) => claim!.entries.length)).to.deep.equal([4, 3, 1]);
      expect([first, second, third].flatMap(ids)).to.deep.equal(idsOf(entries).slice(0, 8));
    });

    it('S3: what comes through several children in one change keeps its order, also after a restart', async () => {
      const entries = ['a', 'b', 'b', 'a', 'c', 'a'].map((via) => sampleEntry({ via: `c0000test.${via}` }));
      await put(...entries);
      const claim = await subject.spool.claim(ALL);
      expect(ids(claim)).to.deep.equal(idsOf(entries));
      subject = await subject.reopen();
      expect(ids(await subject.spool.claim(ALL))).to.deep.equal(idsOf(entries));
    });

    it('D2: what was accepted by the other side is gone, what was not answered stays', async () => {
      const entries = sampleEntries(3);
      await put(...entries);
      const claim = await subject.spool.claim({ ...ALL, maxMessages: 2 });
      await settle(claim!, accepted);
      subject = await subject.reopen();
      expect(ids(await subject.spool.claim(ALL))).to.deep.equal([entries[2]!.id]);
    });

    it('S4: a claimed entry is claimable again after a crash', async () => {
      const entries = sampleEntries(5);
      await put(...entries);
      await subject.spool.claim(ALL);
      subject = await subject.reopen();
      expect(ids(await subject.spool.claim(ALL))).to.deep.equal(idsOf(entries));
    });

    it('a release restores the old place, at once or not before its time', async () => {
      const entries = sampleEntries(4);
      await put(...entries);
      const first = await subject.spool.claim({ ...ALL, maxMessages: 2 });
      subject.spool.release(first!);
      const again = await subject.spool.claim(ALL);
      expect(ids(again)).to.deep.equal(idsOf(entries));
      subject.spool.release(again!, 5_000);
      expect(await subject.spool.claim(ALL)).to.equal(undefined);
      expect(subject.spool.depth()).to.include({ nextRetryAt: 5_000, inFlight: 0, messages: 4 });
      subject.setNow(5_000);
      expect(ids(await subject.spool.claim(ALL))).to.deep.equal(idsOf(entries));
    });

    it('claims what is of one source and epoch, of all lanes, even what waits; and leaves the others alone', async () => {
      const mine = { source: 'c0000test.m1', epoch: '00000000000000e2' };
      const others = sampleEntries(2);
      const own = [sampleEntry({ ...mine, lane: 2 }), ...sampleEntries(2, mine)];
      await put(own[0]!, others[0]!, own[1]!, others[1]!, own[2]!, sampleEntry({ ...mine, expiresAt: 1_000 }));
      const isMine = ({ source, epoch }: { source: string; epoch: string }) =>
        source === mine.source && epoch === mine.epoch;
      const urgent = await subject.spool.claim(ALL);
      expect(await subject.spool.claimOf(() => false, ALL)).to.equal(undefined);
      expect(
        ids(await subject.spool.claimOf(isMine, { ...ALL, maxMessages: 1 })),
        'not what is in flight',
      ).to.deep.equal([own[1]!.id]);
      subject.spool.release(urgent!, 9_000);
      const waiting = await subject.spool.claimOf(isMine, ALL);
      expect(ids(waiting)).to.deep.equal([own[0]!.id]);
      await settle(waiting!, accepted);
      expect(ids(await subject.spool.claimOf(isMine, ALL))).to.deep.equal([own[2]!.id]);
      expect(await subject.spool.claimOf(isMine, ALL)).to.equal(undefined);
      expect(ids(await subject.spool.claim(ALL))).to.deep.equal(idsOf(others));
    });

    it('claims and waits for what is urgent alone, and ages the other lanes by nothing', async () => {
      const { spool } = subject;
      const low = sampleEntries(2, { lane: 4 });
      const last = sampleEntry({ lane: 3 });
      await put(...low);
      expect(await spool.claim({ ...ALL, lastLane: 3 })).to.equal(undefined);
      let isReady = false;
      const stopping = new AbortController();
      const waiting = spool.ready(stopping.signal, 3).then(() => (isReady = true));
      await spool.ready(stopping.signal);
      await new Promise(setImmediate);
      expect(isReady).to.equal(false);
      await put(last);
      await waiting;
      expect(ids(await spool.claim({ ...ALL, lastLane: 3 }))).to.deep.equal([last.id]);
      expect(ids(await spool.claim({ ...ALL, lastLane: 4 }))).to.deep.equal(idsOf(low));
    });

    it('tells since when the oldest claim is open, until its settlement is on disk, and the oldest submission unwritten', async () => {
      const { spool } = subject;
      const nothing = { claimedSince: undefined, unwrittenSince: undefined };
      const writing = put(...sampleEntries(3));
      expect(spool.underWay()).to.deep.equal({ ...nothing, unwrittenSince: 1_000 });
      await writing;
      expect(spool.underWay()).to.deep.equal(nothing);
      const first = await spool.claim({ ...ALL, maxMessages: 1 });
      subject.setNow(2_000);
      const later = (await spool.claim(ALL))!;
      expect(spool.underWay()).to.deep.equal({ ...nothing, claimedSince: 1_000 });
      spool.release(first!);
      expect(spool.underWay()).to.deep.equal({ ...nothing, claimedSince: 2_000 });
      subject.setNow(3_000);
      const settling = settle(later, accepted);
      expect(spool.underWay()).to.deep.equal({ claimedSince: 2_000, unwrittenSince: 3_000 });
      await settling;
      expect(spool.underWay()).to.deep.equal(nothing);
    });

    it('settles every entry by its own verdict', async () => {
      const [a, b, c] = sampleEntries(3) as [SpoolEntry, SpoolEntry, SpoolEntry];
      await put(a, b, c);
      const claim = await subject.spool.claim(ALL);
      const removed = await settle(claim!, [
        accepted,
        { outcome: 'refused', code: 'BH-E-SCHEMA', detail: 'no' },
        { outcome: 'retry', notBefore: 2_000 },
      ]);
      expect(removed).to.have.length(1);
      expect(removed[0]).to.deep.include({ reason: 'dead-letter', code: 'BH-E-SCHEMA', detail: 'no' });
      expect(removed[0]!.entry).to.include({
        id: b.id,
        source: b.source,
        epoch: b.epoch,
        lane: 4,
        sequence: b.sequence,
      });
      expect(subject.spool.depth()).to.include({ messages: 1, deadLetters: 1 });
      subject = await subject.reopen();
      expect(subject.spool.depth()).to.include({ messages: 1, deadLetters: 1 });
      expect(ids(await subject.spool.claim(ALL))).to.deep.equal([c.id]);
    });

    it('settles claims in any order', async () => {
      const entries = sampleEntries(9);
      await put(...entries);
      const claims = [];
      for (let n = 0; n < 3; n += 1) claims.push(await subject.spool.claim({ ...ALL, maxMessages: 3 }));
      await settle(claims[1]!, accepted);
      subject.spool.release(claims[2]!);
      subject = await subject.reopen();
      expect(ids(await subject.spool.claim(ALL))).to.deep.equal(idsOf([...entries.slice(0, 3), ...entries.slice(6)]));
    });

    it('reports expired entries that are not in flight, and never hands them out', async () => {
      const [early, late, never] = [
        sampleEntry({ expiresAt: 2_000 }),
        sampleEntry({ expiresAt: 8_000 }),
        sampleEntry(),
      ];
      await put(early, late, never);
      subject.setNow(3_000);
      const claim = await subject.spool.claim(ALL);
      expect(ids(claim)).to.deep.equal([late.id, never.id]);
      const first = subject.spool.expire(9_000);
      expect(first.removed.map(({ entry, reason }) => [entry.id, reason])).to.deep.equal([[early.id, 'expired']]);
      await commitChanges(subject.store, [first.change]);
      subject.spool.release(claim!);
      const second = subject.spool.expire(9_000);
      expect(second.removed.map(({ entry }) => entry.id)).to.deep.equal([late.id]);
      await commitChanges(subject.store, [second.change]);
      expect(subject.spool.expire(9_000).removed).to.deep.equal([]);
      subject = await subject.reopen();
      expect(subject.spool.depth().messages).to.equal(1);
    });

    it('S6: a full spool refuses the least, before accepting, and writes nothing', async () => {
      await restrict({ maxMessages: 3 });
      await put(...sampleEntries(3, { lane: 2 }));
      const bytes = subject.store.stats().bytesWritten;
      expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 2 })]))).to.equal('BH-E-SPOOL-FULL');
      expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 6 })]))).to.equal('BH-E-SPOOL-FULL');
      expect(subject.store.stats().bytesWritten).to.equal(bytes);
      expect(subject.spool.depth().messages).to.equal(3);
    });

    it('evicts the lower lane first, then the nearest expiry, then what is not persistent, and tells whom', async () => {
      await restrict({ maxMessages: 5 });
      const [bulk, soon, later, plain, kept] = [
        sampleEntry({ lane: 8, persistent: true }),
        sampleEntry({ expiresAt: 5_000, persistent: true }),
        sampleEntry({ expiresAt: 6_000 }),
        sampleEntry(),
        sampleEntry({ persistent: true }),
      ];
      await put(kept, plain, later, soon, bulk);
      const evicted: string[] = [];
      for (let n = 0; n < 4; n += 1) {
        const change = subject.spool.stage([sampleEntry({ lane: 4, persistent: true })]);
        evicted.push(...change.removed.map(({ entry }) => entry.id));
        await commitChanges(subject.store, [change]);
      }
      expect(evicted).to.deep.equal([bulk.id, soon.id, later.id, plain.id]);
      expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 4, persistent: true })]))).to.equal(
        'BH-E-SPOOL-FULL',
      );
      subject = await subject.reopen();
      expect(subject.spool.depth().messages).to.equal(5);
      expect(ids(await subject.spool.claim(ALL))[0]).to.equal(kept.id);
    });

    it('never evicts emergency, nor what is in flight', async () => {
      await restrict({ maxMessages: 4 });
      await put(...sampleEntries(2, { lane: 0 }), ...sampleEntries(2, { lane: 4, expiresAt: 5_000 }));
      await settle((await subject.spool.claim(ALL))!, accepted);
      await put(...sampleEntries(2, { lane: 0, expiresAt: 2_000 }));
      await subject.spool.claim({ ...ALL, maxMessages: 2 });
      const inFlight = await subject.spool.claim(ALL);
      expect(inFlight!.lane).to.equal(4);
      expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 2 })]))).to.equal('BH-E-SPOOL-FULL');
      expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 0 })]))).to.equal('BH-E-SPOOL-FULL');
      subject.spool.release(inFlight!);
      expect(subject.spool.stage([sampleEntry({ lane: 2 })]).removed).to.have.length(1);
    });

    it('does not make room for emergency at the expense of emergency', async () => {
      await restrict({ maxMessages: 2 });
      await put(...sampleEntries(2, { lane: 0, expiresAt: 2_000 }));
      expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 0, persistent: true })]))).to.equal(
        'BH-E-SPOOL-FULL',
      );
    });

    it('counts bytes as well as messages', async () => {
      await restrict({ maxBytes: 1_000 });
      const large = { header: Buffer.alloc(100), body: Buffer.alloc(200) };
      await put(...sampleEntries(3, large));
      expect(await codeOf(() => subject.spool.stage([sampleEntry(large)]))).to.equal('BH-E-SPOOL-FULL');
      expect(subject.spool.stage([sampleEntry({ ...large, lane: 2 })]).removed).to.have.length(1);
      expect(subject.spool.depth().bytes).to.equal(900);
    });

    describe('supersede keys', () => {
      const told = (removed: readonly Removed[]) => removed.map(({ entry, reason }) => [entry.id, reason]);

      it('a newer entry takes the place of an older one of its source, lane and key, in one commit', async () => {
        const [old, newer] = sampleEntries(2, { supersedeKey: 'heartbeat' }) as [SpoolEntry, SpoolEntry];
        const others = [
          sampleEntry({ supersedeKey: 'load' }),
          sampleEntry({ supersedeKey: 'heartbeat', lane: 6 }),
          sampleEntry({ supersedeKey: 'heartbeat', source: 'c0000test.p2' }),
          sampleEntry(),
        ];
        await put(old, ...others);
        const change = subject.spool.stage([newer]);
        expect(told(change.removed)).to.deep.equal([[old.id, 'superseded']]);
        expect(subject.spool.depth().messages, 'staged only').to.equal(5);
        await commitChanges(subject.store, [change]);
        subject = await subject.reopen();
        expect(subject.spool.depth().messages).to.equal(5);
        const left = [...ids(await subject.spool.claim(ALL)), ...ids(await subject.spool.claim(ALL))];
        expect(left).to.have.members([newer.id, ...idsOf(others)]);
      });

      it('are known again after a restart', async () => {
        const [old, newer] = sampleEntries(2, { supersedeKey: 'k' }) as [SpoolEntry, SpoolEntry];
        await put(old);
        subject = await subject.reopen();
        expect(told(subject.spool.stage([newer]).removed)).to.deep.equal([[old.id, 'superseded']]);
      });

      it('the latest of one batch wins', async () => {
        const entries = sampleEntries(3, { supersedeKey: 'k' });
        const change = subject.spool.stage(entries);
        expect(told(change.removed)).to.deep.equal(entries.slice(0, 2).map(({ id }) => [id, 'superseded']));
        await commitChanges(subject.store, [change]);
        expect(ids(await subject.spool.claim(ALL))).to.deep.equal([entries[2]!.id]);
      });

      it('never touch what is in flight; released, it goes with the next', async () => {
        const [first, second, third] = sampleEntries(3, { supersedeKey: 'k' }) as [SpoolEntry, SpoolEntry, SpoolEntry];
        await put(first);
        const flight = await subject.spool.claim(ALL);
        expect(subject.spool.stage([second]).removed).to.deep.equal([]);
        await put(second);
        subject.spool.release(flight!);
        expect(told(subject.spool.stage([third]).removed)).to.deep.equal([
          [first.id, 'superseded'],
          [second.id, 'superseded'],
        ]);
      });

      it('an older one that comes late, sent again, takes the place of nothing newer; the next replaces both', async () => {
        const [late, newer, next] = sampleEntries(3, { supersedeKey: 'k' }) as [SpoolEntry, SpoolEntry, SpoolEntry];
        await put(newer);
        expect(told(subject.spool.stage([late]).removed)).to.deep.equal([]);
        expect(told(subject.spool.stage([next, late]).removed)).to.deep.equal([
          [late.id, 'superseded'],
          [newer.id, 'superseded'],
        ]);
        const renumbered = sampleEntry({ supersedeKey: 'k', epoch: '00000000000000e2', sequence: 1 });
        expect(told(subject.spool.stage([renumbered]).removed)).to.deep.equal([[newer.id, 'superseded']]);
        await put(late);
        expect(told(subject.spool.stage([next]).removed)).to.have.deep.members([
          [late.id, 'superseded'],
          [newer.id, 'superseded'],
        ]);
      });

      it('make room: a full spool takes what replaces something', async () => {
        await restrict({ maxMessages: 2 });
        await put(...sampleEntries(2, { supersedeKey: 'k', persistent: true }).slice(1), sampleEntry({ lane: 0 }));
        await put(sampleEntry({ supersedeKey: 'k', persistent: true }));
        expect(subject.spool.depth().messages).to.equal(2);
      });

      it('say what a notice needs: the child it came through, and the header', async () => {
        const old = sampleEntry({ supersedeKey: 'k', via: 'c0000test.p7' });
        await put(old);
        const [removed] = subject.spool.stage([sampleEntry({ supersedeKey: 'k' })]).removed;
        expect(removed!.entry.via).to.equal('c0000test.p7');
        expect(Buffer.from(removed!.entry.header)).to.deep.equal(old.header);
      });
    });

    describe('the share of a child', () => {
      const via = 'c0000test.p7';
      beforeEach(() => restrict({ perChild: { maxMessages: 3, maxBytes: 10_000 } }));

      it('is bounded; its own lower messages go first, and nobody else suffers', async () => {
        const others = sampleEntries(3, { lane: 8, via: 'c0000test.p8' });
        const own = sampleEntries(3, { lane: 8 });
        const [low, ...kept] = [sampleEntry({ lane: 6, via }), ...sampleEntries(2, { lane: 4, via })];
        await put(...others, ...own, low!, ...kept);
        expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 6, via })]))).to.equal('BH-E-QUOTA');
        const change = subject.spool.stage([sampleEntry({ lane: 2, via })]);
        expect(change.removed.map(({ entry, reason }) => [entry.id, reason])).to.deep.equal([[low!.id, 'evicted']]);
        await commitChanges(subject.store, [change]);
        expect(subject.spool.usage(via).messages).to.equal(3);
        expect(subject.spool.usage('c0000test.p8').messages).to.equal(3);
        await put(...sampleEntries(4, { lane: 6 })); // one's own has no share
      });

      it('is refused with a wait, before anything is accepted, and writes nothing', async () => {
        await put(...sampleEntries(3, { via }));
        const refusal = await Promise.resolve()
          .then(() => subject.spool.stage([sampleEntry({ via })]))
          .catch((error) => error);
        expect(refusal).to.deep.include({ code: 'BH-E-QUOTA', retryable: true });
        expect(refusal.retryAfterMs).to.be.greaterThan(0);
        expect(subject.spool.usage(via)).to.include({ messages: 3 });
      });

      it('holds emergency too: it is never evicted, so it is refused', async () => {
        await put(...sampleEntries(3, { via, lane: 0 }));
        expect(await codeOf(() => subject.spool.stage([sampleEntry({ via, lane: 0 })]))).to.equal('BH-E-QUOTA');
      });

      it('counts bytes, what came before a restart, and not what has left', async () => {
        const large = { via, header: Buffer.alloc(1_000), body: Buffer.alloc(4_000) };
        await put(...sampleEntries(2, large));
        subject = await subject.reopen();
        expect(subject.spool.usage(via)).to.deep.equal({ messages: 2, bytes: 10_000 });
        expect(await codeOf(() => subject.spool.stage([sampleEntry({ via })]))).to.equal('BH-E-QUOTA');
        await settle((await subject.spool.claim(ALL))!, accepted);
        expect(subject.spool.usage(via)).to.deep.equal({ messages: 0, bytes: 0 });
        await put(sampleEntry(large));
      });
    });

    describe('the share of a customer', () => {
      const [p1, p2, other] = ['c0000test.p1', 'c0000test.p2', 'c0000zzzz.p1'];
      const customerOf = (child: string): string => child.split('.')[0]!;
      beforeEach(() => restrict({ maxMessages: 8, perCustomer: { customerOf, maxMessages: 6, maxBytes: 1_000_000 } }));

      it('bounds all its children together, in high lanes too: what others hold stays', async () => {
        await put(...sampleEntries(2, { lane: 8, via: other }), ...sampleEntries(3, { lane: 2, via: p1 }));
        await put(...sampleEntries(3, { lane: 2, via: p2 }));
        expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 0, via: p2 })]))).to.equal(undefined);
        subject = await subject.reopen();
        expect(await codeOf(() => subject.spool.stage([sampleEntry({ lane: 2, via: p2 })]))).to.equal('BH-E-QUOTA');
        const { removed } = subject.spool.stage([sampleEntry({ lane: 0, via: p2 })]);
        expect(removed.map(({ entry }) => [entry.via, entry.lane])).to.not.deep.include([other, 8]);
        expect(subject.spool.usage(other).messages).to.equal(2);
      });

      it('makes room at the child that holds most: an alarm passes the bulk of its siblings', async () => {
        await put(...sampleEntries(2, { lane: 8, via: other }));
        await put(...sampleEntries(4, { lane: 6, via: p1 }), ...sampleEntries(2, { lane: 6, via: p2 }));
        const change = subject.spool.stage([sampleEntry({ lane: 2, via: p2 })]);
        expect(change.removed.map(({ entry, reason }) => [entry.via, reason])).to.deep.equal([[p1, 'evicted']]);
        await commitChanges(subject.store, [change]);
        expect(subject.spool.depth().messages).to.equal(8);
      });
    });

    it('a receipt is never evicted: the account of others would go with it', async () => {
      await restrict({ maxMessages: 2 });
      const receipt = sampleEntry({ lane: 8, class: 'infrastructure', subclass: 'receipt' });
      const plain = sampleEntry({ lane: 8 });
      await put(receipt, plain);
      const evicted = subject.spool.stage([sampleEntry({ lane: 2 })]).removed;
      expect(evicted.map(({ entry }) => entry.id)).to.deep.equal([plain.id]);
      expect(await codeOf(() => subject.spool.stage(sampleEntries(2, { lane: 2 })))).to.equal('BH-E-SPOOL-FULL');
    });

    describe('holdings', () => {
      const range = (from: number, to: number, messages: number) => ({
        source: 'c0000test.p1',
        epoch: '00000000000000e1',
        lane: 4,
        ...{ from, to, messages },
      });
      const putSequences = (...sequences: number[]): Promise<void> =>
        put(...sequences.map((sequence) => sampleEntry({ sequence })));

      it('are the ranges of what is held, in flight or not, before and after a restart', async () => {
        await putSequences(7, 8, 9, 12, 3, 10);
        await put(sampleEntry({ sequence: 5, lane: 6, epoch: '00000000000000e2' }));
        const claim = await subject.spool.claim({ ...ALL, maxMessages: 2 });
        const expected = [
          ...[range(3, 3, 1), range(7, 10, 4), range(12, 12, 1)],
          { ...range(5, 5, 1), lane: 6, epoch: '00000000000000e2' },
        ];
        expect(subject.spool.holdings(100)).to.deep.equal({ ranges: expected, truncated: false });
        await settle(claim!, accepted);
        expect(subject.spool.holdings(100).ranges.slice(0, 2)).to.deep.equal([range(3, 3, 1), range(9, 10, 2)]);
        subject = await subject.reopen();
        expect(subject.spool.holdings(100).ranges.slice(0, 2)).to.deep.equal([range(3, 3, 1), range(9, 10, 2)]);
      });

      it('become coarser before something is left out, and say so when it is', async () => {
        await putSequences(...Array.from({ length: 60 }, (_, n) => 2 * n + 1));
        expect(subject.spool.holdings(5)).to.deep.equal({ ranges: [range(1, 119, 60)], truncated: false });
        await put(...sampleEntries(3, { source: 'c0000test.p2' }), ...sampleEntries(3, { source: 'c0000test.p3' }));
        expect(subject.spool.holdings(2)).to.deep.include({ truncated: true });
        expect(subject.spool.holdings(2).ranges).to.have.length(2);
      });

      it('of an empty spool are none', () => {
        expect(subject.spool.holdings(10)).to.deep.equal({ ranges: [], truncated: false });
      });
    });

    it('takes receipts a little above the limits, so that an account can be given', async () => {
      await restrict({ maxMessages: 32 });
      await put(...sampleEntries(32));
      expect(await codeOf(() => subject.spool.stage([sampleEntry()]))).to.equal('BH-E-SPOOL-FULL');
      await commitChanges(subject.store, [subject.spool.stage(sampleEntries(2), { receipts: true })]);
      expect(await codeOf(() => subject.spool.stage([sampleEntry()], { receipts: true }))).to.equal('BH-E-SPOOL-FULL');
    });

    it('tells its depth', async () => {
      await put(
        sampleEntry({ lane: 2, receivedAt: 700 }),
        ...sampleEntries(2, { receivedAt: 500, header: Buffer.alloc(4), body: Buffer.alloc(6) }),
      );
      await subject.spool.claim(ALL);
      const depth = subject.spool.depth();
      expect(depth).to.include({ messages: 3, inFlight: 1, oldestAt: 500, deadLetters: 0 });
      expect(depth.byLane[4]).to.deep.equal({ messages: 2, bytes: 20 });
      expect(Object.keys(depth.byLane)).to.deep.equal(['2', '4']);
    });

    it('is ready when a claim may succeed', async () => {
      const abort = new AbortController();
      let isReady = false;
      const waiting = subject.spool.ready(abort.signal).then(() => (isReady = true));
      await subject.store.commit([]);
      expect(isReady).to.equal(false);
      await put(sampleEntry());
      await waiting;
      await subject.spool.claim(ALL);
      const aborted = subject.spool.ready(abort.signal);
      abort.abort();
      await aborted;
    });

    it('is not ready for what is past its time', async () => {
      await put(sampleEntry({ expiresAt: 2_000 }));
      subject.setNow(3_000);
      expect(await subject.spool.claim(ALL)).to.equal(undefined);
      const abort = new AbortController();
      let isReady = false;
      const waiting = subject.spool.ready(abort.signal).then(() => (isReady = !abort.signal.aborted));
      await subject.store.commit([]);
      abort.abort();
      await waiting;
      expect(isReady).to.equal(false);
    });

    it('what was dropped unsubmitted has changed nothing', async () => {
      await put(sampleEntry({ expiresAt: 2_000 }), sampleEntry());
      const claim = await subject.spool.claim({ ...ALL, maxMessages: 1 });
      subject.spool.release(claim!);
      expect(subject.spool.expire(3_000).removed).to.have.length(1);
      expect(subject.spool.expire(3_000).removed).to.have.length(1);
      expect(subject.spool.depth().messages).to.equal(2);
    });

    it('leaves nothing behind on disk when all has gone', async () => {
      for (let n = 0; n < 20; n += 1) await put(...sampleEntries(3, { lane: n % 2 === 0 ? 4 : 6 }));
      const claims = [];
      for (
        let claim = await subject.spool.claim({ ...ALL, maxMessages: 7 });
        claim;
        claim = await subject.spool.claim(ALL)
      )
        claims.push(claim);
      for (const claim of claims.toReversed()) await settle(claim, accepted);
      const keys: string[] = [];
      for await (const [key] of subject.store.scan('')) keys.push(key);
      expect(keys.filter((key) => !key.startsWith('!') && !/\/(?:m\/[46]|t)$/.test(key))).to.deep.equal([]);
    });
  });
}
