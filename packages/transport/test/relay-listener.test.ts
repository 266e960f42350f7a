import { gzipSync, zstdCompressSync } from 'node:zlib';
import { contentTypeOf, LIMITS, writeEnvelope } from '@backhaul/envelope';
import { leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { certificates, TRUST_DOMAIN, type Upper, upper } from './support/hop.ts';
import { downwardMessage, MLM, messageId, PROXY, parts, sequencesOf } from './support/messages.ts';
import { type RawAnswer, RawPeer, replyOf } from './support/raw-request.ts';

const EPOCH_PLACE = 'feed000000000001';
const TYPE = contentTypeOf('b0undary');

describe('relay listener', () => {
  leakCheck({ before, after });
  let above: Upper;
  const peers: RawPeer[] = [];
  const peer = (id = PROXY, material = certificates().component(id)): RawPeer => {
    const made = new RawPeer(above.listener.url, material);
    peers.push(made);
    return made;
  };

  beforeEach(async () => {
    above = await upper();
  });
  afterEach(async () => {
    for (const each of peers.splice(0)) each.close();
    await above.stop();
  });

  describe('who may speak', () => {
    it('takes nobody without a client certificate', async () => {
      const stranger = new RawPeer(above.listener.url);
      const outcome = await stranger.post([parts(1)]).catch((error: NodeJS.ErrnoException) => error.code);
      expect(outcome).to.be.oneOf(['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'ECONNRESET', 'EPIPE']);
      expect(above.handler.envelopes).to.deep.equal([]);
      stranger.close();
    });

    it('takes nobody whose certificate carries two names, or one of another trust domain', async () => {
      const two = [
        `spiffe://${TRUST_DOMAIN}/c12345678/proxy/${PROXY}`,
        `spiffe://${TRUST_DOMAIN}/c12345678/mlm/${MLM}`,
      ];
      for (const uris of [two, [two[0]!.replace(TRUST_DOMAIN, 'elsewhere.example')]]) {
        const answer = await peer(PROXY, certificates().component(PROXY, { uris })).post([parts(1)]);
        expect([answer.status, answer.code]).to.deep.equal([403, 'BH-E-ID-NAME']);
      }
    });

    it('does not believe the identity header over TLS', async () => {
      const claim = { 'backhaul-identity': `spiffe://${TRUST_DOMAIN}/c12345678/mlm/${MLM}`, 'backhaul-ack': '0:0' };
      above.handler.mailboxes.put(MLM, downwardMessage(1));
      expect(replyOf(await peer().post([], claim)).messages).to.have.length(0);
    });

    it('T-A15: refuses a revoked peer at its next request on an open connection', async () => {
      const proxy = peer();
      expect((await proxy.post([parts(1)])).status).to.equal(200);
      above.handler.revoked.add(PROXY);
      const answer = await proxy.post([parts(2)]);
      expect([answer.status, answer.code]).to.deep.equal([403, 'BH-E-ID-REVOKED']);
      expect(sequencesOf(above.handler.effects)).to.deep.equal([1]);
    });

    it('T-A15: a reply that was held for a peer revoked meanwhile holds nothing', async () => {
      const poll = peer().poll('0:0', 30);
      await until('held', async () => (await held(above)) === 1);
      above.handler.revoked.add(PROXY);
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      expect((await poll).code).to.equal('BH-E-ID-REVOKED');
    });

    it('T-A15: cuts a component off: its held poll and its connections', async () => {
      const proxy = peer();
      const poll = proxy.poll('0:0', 30).then(
        (answer) => replyOf(answer).messages.length,
        (error) => error.code,
      );
      await until('held', async () => (await held(above)) === 1);
      above.listener.disconnect(PROXY);
      expect(await poll).to.be.oneOf(['ECONNRESET', 0]);
      await until('no connection is left', () => Object.keys(proxy.agent.sockets).length === 0);
    });
  });

  describe('what is refused as a whole', () => {
    const refusals: [string, number, string, () => Promise<{ status: number; code: string | undefined }>][] = [
      ['another version', 400, 'BH-E-VERSION', () => peer().post([], { 'backhaul-version': '2.0' })],
      ['no version', 400, 'BH-E-VERSION', () => peer().post([], { 'backhaul-version': undefined })],
      ['a link number that is none', 400, 'BH-E-QUERY', () => peer().post([], { 'backhaul-link': 'x:1' })],
      ['an acknowledgement never given', 409, 'BH-E-ACK', () => peer().poll(`${EPOCH_PLACE}:7`)],
      ['another mailbox epoch', 409, 'BH-E-ACK', () => peer().poll('0123456789abcdef:0')],
      ['another content type', 415, 'BH-E-MIME-TYPE', () => peer().post([], { 'content-type': 'text/plain' })],
      ['another encoding', 415, 'BH-E-MIME-TYPE', () => peer().post([], { 'content-encoding': 'br' })],
      ['two encodings', 415, 'BH-E-MIME-TYPE', () => peer().post([], { 'content-encoding': 'gzip, gzip' })],
      ['another method', 405, 'BH-E-METHOD', () => peer().request('/v1/envelopes')],
      ['another path', 404, 'BH-E-NOT-FOUND', () => peer().request('/v1/other')],
      ['a path that is no URL', 404, 'BH-E-NOT-FOUND', () => peer().request('//')],
      ['an artifact that is not there', 404, 'BH-E-BULK-GONE', () => peer().request(`/v1/artifacts/${'0'.repeat(64)}`)],
    ];
    for (const [what, status, code, send] of refusals) {
      it(`${what}: ${code}`, async () => {
        const answer = await send();
        expect([answer.status, answer.code]).to.deep.equal([status, code]);
        expect(above.handler.effects).to.deep.equal([]);
      });
    }

    it('an envelope that says it is too large, before it is read', async () => {
      const answer = await peer().request('/v1/envelopes', {
        method: 'POST',
        headers: { 'backhaul-version': '1.0', 'content-type': TYPE, 'content-length': LIMITS.envelopeBytes + 1 },
        body: Buffer.alloc(100),
      });
      expect([answer.status, answer.code]).to.deep.equal([413, 'BH-E-LIMIT-ENVELOPE']);
      expect(answer.headers.connection).to.equal('close');
    });

    it('an envelope that turns out too large while it comes', async () => {
      const body = Buffer.alloc(LIMITS.envelopeBytes + 1);
      const headers = { 'backhaul-version': '1.0', 'content-type': TYPE, 'transfer-encoding': 'chunked' };
      const answer = await peer().request('/v1/envelopes', { method: 'POST', headers, body });
      expect([answer.status, answer.code]).to.deep.equal([413, 'BH-E-LIMIT-ENVELOPE']);
    });

    for (const [name, pack] of [
      ['gzip', gzipSync],
      ['zstd', zstdCompressSync],
    ] as const) {
      const packed = (body: Buffer) => {
        const bytes = pack(body);
        const headers = { 'backhaul-version': '1.0', 'content-type': TYPE, 'content-encoding': name };
        return peer().request('/v1/envelopes', { method: 'POST', headers, body: bytes });
      };

      it(`takes an envelope packed with ${name}`, async () => {
        const answer = await packed(Buffer.concat(writeEnvelope('b0undary', [parts(1)])));
        expect(replyOf(answer).response.verdicts).to.deep.equal([{ accepted: true }]);
      });

      it(`T-A34: stops unpacking a ${name} bomb at the limit`, async () => {
        const answer = await packed(Buffer.alloc(4 * LIMITS.envelopeBytes));
        expect([answer.status, answer.code]).to.deep.equal([413, 'BH-E-LIMIT-INFLATE']);
      });

      it(`refuses what is not ${name}`, async () => {
        const headers = { 'backhaul-version': '1.0', 'content-type': TYPE, 'content-encoding': name };
        const answer = await peer().request('/v1/envelopes', {
          method: 'POST',
          headers,
          body: Buffer.from('not packed'),
        });
        expect([answer.status, answer.code]).to.deep.equal([400, 'BH-E-MIME-FORM']);
      });
    }

    it('more requests of one peer at one time than it may have, and none of another peer', async () => {
      const proxy = peer();
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      above.handler.before = () => gate;
      const answers: RawAnswer[] = [];
      const sendOne = async (n: number): Promise<void> => {
        answers.push(await proxy.post([parts(n)]));
        if (answers.length === 4) open();
      };
      await Promise.all(Array.from({ length: 20 }, (_, i) => sendOne(i + 1)));
      const busy = answers.filter((answer) => answer.code === 'BH-E-BUSY');
      expect(busy).to.have.length(4);
      expect(busy[0]!.headers['retry-after']).to.equal('1');
      expect((await peer(MLM.replace('m1', 'm3')).post([parts(1)])).status).to.equal(200);
    });

    it('says nothing of what failed inside', async () => {
      above.handler.before = () => Promise.reject(new Error('secret path /x/y'));
      const answer = await peer().post([parts(1)]);
      expect([answer.status, answer.code]).to.deep.equal([500, 'BH-E-INTERNAL']);
      expect(answer.body.toString()).not.to.match(/secret|\.ts|:\d+:\d+/);
    });
  });

  describe('what is refused alone', () => {
    it('a message that cannot be read, one that was here before; the others are taken', async () => {
      const hop = { id: MLM, in: 1_790_000_000_000, out: 1_790_000_000_001 };
      const broken = { ...parts(2), headerBytes: Buffer.from('<!DOCTYPE header><header></header>') };
      const answer = await peer().post([parts(1), broken, parts(3, { routing: [hop] }), parts(4)]);
      const { verdicts } = replyOf(answer).response;
      expect(verdicts.map((verdict) => verdict.code)).to.deep.equal([
        undefined,
        'BH-E-XML-DTD',
        'BH-E-LOOP',
        undefined,
      ]);
      expect(verdicts.map((verdict) => verdict.accepted)).to.deep.equal([true, false, false, true]);
      expect(sequencesOf(above.handler.effects)).to.deep.equal([1, 4]);
    });
  });

  describe('the mailbox', () => {
    it('keeps what was sent until it is acknowledged [B1], and adds its own routing element', async () => {
      const proxy = peer();
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      for (let round = 0; round < 2; round++) {
        const answer = await proxy.poll('0:0');
        expect(answer.headers['backhaul-mailbox']).to.equal(`${EPOCH_PLACE}:1`);
        expect(replyOf(answer).messages.map(({ id }) => id)).to.deep.equal([messageId(1)]);
        expect(Buffer.from(replyOf(answer).messages[0]!.headerBytes).toString()).to.include(`<routing id="${MLM}"`);
      }
      expect(replyOf(await proxy.poll(`${EPOCH_PLACE}:1`)).messages).to.have.length(0);
      expect(above.handler.mailboxes.depth(PROXY)).to.equal(0);
    });

    it('is not read by a request without an acknowledgement, nor by another peer', async () => {
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      expect(replyOf(await peer().post([parts(1)])).messages).to.have.length(0);
      expect(replyOf(await peer('c12345678.p2').poll('0:0')).messages).to.have.length(0);
    });

    it('holds an empty poll until there is something, and no longer', async () => {
      const began = performance.now();
      const poll = peer().poll('0:0', 30);
      await until('held', async () => (await held(above)) === 1);
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      expect(replyOf(await poll).messages).to.have.length(1);
      expect(performance.now() - began).to.be.below(1000);
      expect((await peer().poll(`${EPOCH_PLACE}:1`, 1)).status).to.equal(200);
    });

    it('never holds an envelope with messages', async () => {
      const began = performance.now();
      await peer().post([parts(1)], { 'backhaul-ack': '0:0', prefer: 'wait=30' });
      expect(performance.now() - began).to.be.below(1000);
    });

    it('ends the first poll when a second one comes', async () => {
      const proxy = peer();
      const first = proxy.poll('0:0', 30);
      await until('held', async () => (await held(above)) === 1);
      const second = proxy.poll('0:0', 30);
      expect(replyOf(await first).messages).to.have.length(0);
      above.handler.mailboxes.put(PROXY, downwardMessage(1));
      expect(replyOf(await second).messages).to.have.length(1);
    });

    it('lets go of a poll whose client went away', async () => {
      const proxy = peer();
      const poll = proxy.poll('0:0', 30).catch(() => undefined);
      await until('held', async () => (await held(above)) === 1);
      proxy.close();
      await until('let go', async () => (await held(above)) === 0);
      await poll;
    });
  });

  it('tells marks only when asked', async () => {
    above.handler.ownMarks = [{ source: PROXY, epoch: '00000000000000aa', lane: 6, through: 3 }];
    expect(replyOf(await peer().post([], { 'backhaul-hello': '1' })).response.marks).to.deep.equal(
      above.handler.ownMarks,
    );
    expect(replyOf(await peer().post([])).response.marks).to.equal(undefined);
  });

  it('drains: answers the held poll at once, finishes what is under way, refuses what comes then', async () => {
    const [polling, sending] = [peer(), peer()];
    const poll = polling.poll('0:0', 30);
    let entered = false;
    above.handler.before = () => {
      entered = true;
      return new Promise((resolve) => setTimeout(resolve, 100));
    };
    const envelope = sending.post([parts(1)]);
    await until('both are there', async () => entered && (await held(above)) === 1);
    const stopped = above.listener.stop();
    expect((await poll).status).to.equal(200);
    expect(replyOf(await envelope).response.verdicts).to.deep.equal([{ accepted: true }]);
    await stopped;
    expect(above.listener.ready).to.equal(false);
    await above.listener.stop();
  });
});

async function held({ metrics }: Upper): Promise<number> {
  return Number(/relay_held_polls (\d+)/.exec(await metrics.text())?.[1]);
}
