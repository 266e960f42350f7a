import { type Header, type RawMessage, writeReply } from '@backhaul/envelope';
import { leakCheck, until } from '@backhaul/testkit';
import { EpochWatch, epochRefusal, type Parent, type ParentConnection } from '@backhaul/transport';
import { expect } from 'chai';
import { certificates, lower, type Upper, upper } from './support/hop.ts';
import { downwardMessage, EPOCH, MLM, PROXY, parts, spoolEntries } from './support/messages.ts';
import { RawPeer, replyOf } from './support/raw-request.ts';

const MAILBOX = 'feed000000000001';
const OTHER = 'c12345678.p2';
const SESSION = '00000000000000a1';
const HUGE = '9'.repeat(40);

interface Lie {
  readonly what: string;
  readonly messages?: readonly RawMessage[];
  readonly headers?: Record<string, string>;
  /** code of the whole request, or of the only message */
  readonly code: string;
  readonly from?: string;
}

const sequence = (text: string): RawMessage => {
  const { headerBytes, ...rest } = parts(1);
  const header = Buffer.from(headerBytes).toString().replace('sequence="1"', `sequence="${text}"`);
  return { ...rest, headerBytes: Buffer.from(header) };
};
const own = (n: number, changes: Partial<Header>) => parts(n, { source: PROXY, ...changes });

/** Everything of acknowledgements, link numbers, epochs and sequences that a child can say and that is not true. */
const LIES: readonly Lie[] = [
  { what: 'acknowledges a number never sent', headers: { 'backhaul-ack': `${MAILBOX}:4` }, code: 'BH-E-ACK' },
  {
    what: 'acknowledges the largest number there is',
    headers: { 'backhaul-ack': `${MAILBOX}:999999999999999` },
    code: 'BH-E-ACK',
  },
  { what: 'acknowledges in another epoch', headers: { 'backhaul-ack': 'dead000000000002:1' }, code: 'BH-E-ACK' },
  {
    what: 'acknowledges in the mailbox of another',
    headers: { 'backhaul-ack': `${MAILBOX}:2` },
    from: OTHER,
    code: 'BH-E-ACK',
  },
  { what: 'acknowledges below zero', headers: { 'backhaul-ack': `${MAILBOX}:-1` }, code: 'BH-E-QUERY' },
  {
    what: 'acknowledges a number that overflows',
    headers: { 'backhaul-ack': `${MAILBOX}:${HUGE}` },
    code: 'BH-E-QUERY',
  },
  { what: 'acknowledges a fraction', headers: { 'backhaul-ack': `${MAILBOX}:1.5` }, code: 'BH-E-QUERY' },
  { what: 'acknowledges nothing readable', headers: { 'backhaul-ack': 'all of it' }, code: 'BH-E-QUERY' },
  {
    what: 'acknowledges twice in one request',
    headers: { 'backhaul-ack': `${MAILBOX}:1, ${MAILBOX}:3` },
    code: 'BH-E-QUERY',
  },
  { what: 'says an epoch that is a path', headers: { 'backhaul-ack': '../m:1' }, code: 'BH-E-QUERY' },
  {
    what: 'numbers its envelope 0',
    messages: [parts(9)],
    headers: { 'backhaul-link': `${SESSION}:0` },
    code: 'BH-E-QUERY',
  },
  {
    what: 'numbers it far ahead',
    messages: [parts(9)],
    headers: { 'backhaul-link': `${SESSION}:99` },
    code: 'BH-E-LINK-ORDER',
  },
  {
    what: 'numbers it so that it overflows',
    messages: [parts(9)],
    headers: { 'backhaul-link': `${SESSION}:${HUGE}` },
    code: 'BH-E-QUERY',
  },
  { what: 'has a session that is none', messages: [parts(9)], headers: { 'backhaul-link': 'x:1' }, code: 'BH-E-QUERY' },
  { what: 'says a boot that is none', messages: [parts(9)], headers: { 'backhaul-boot': 'me' }, code: 'BH-E-QUERY' },
  { what: 'says sequence 0', messages: [sequence('0')], code: 'BH-E-XML-VALUE' },
  { what: 'says a sequence below zero', messages: [sequence('-1')], code: 'BH-E-XML-VALUE' },
  {
    what: 'says a sequence past what counts exactly',
    messages: [sequence('9007199254740993')],
    code: 'BH-E-XML-VALUE',
  },
  { what: 'says a sequence of forty digits', messages: [sequence(HUGE)], code: 'BH-E-XML-VALUE' },
  { what: 'says an epoch that was superseded', messages: [own(77, { epoch: 'a'.repeat(16) })], code: 'BH-E-EPOCH' },
  { what: 'has passed here before', messages: [own(78, { routing: [{ id: MLM, in: 1, out: 1 }] })], code: 'BH-E-LOOP' },
];

function describeChild(): void {
  let above: Upper;
  const peers: RawPeer[] = [];
  const peer = (id = PROXY): RawPeer => {
    const made = new RawPeer(above.listener.url, certificates().component(id));
    peers.push(made);
    return made;
  };
  const state = () => ({
    effects: above.handler.effects.length,
    seen: above.handler.seen.marks(PROXY),
    others: above.handler.seen.marks(OTHER),
    mailbox: above.handler.mailboxes.depth(PROXY),
  });

  before(async () => {
    above = await upper();
    const { seen } = above.handler;
    const watch = new EpochWatch();
    above.handler.judge = ({ header: { source, epoch, lane, sequence: number } }) => {
      const epochs = [...new Set(seen.marks(source).map((mark) => mark.epoch))];
      const judgement = watch.judge(source, epoch, { newest: epochs.at(-1), known: epochs.includes(epoch) }, 0);
      const error = seen.has(source, epoch, lane, number) ? undefined : epochRefusal(judgement, epoch);
      return error ? { accepted: false, code: error.code, retryable: true } : { accepted: true };
    };
    await peer().post([own(1, { epoch: 'a'.repeat(16) })]);
    await peer().post([own(2, { sequence: 1 }), own(3, { sequence: 2 })], { 'backhaul-link': `${SESSION}:1` });
    for (const n of [1, 2, 3]) above.handler.mailboxes.put(PROXY, downwardMessage(n));
    await peer().poll('0:0');
  });
  after(async () => {
    for (const each of peers) each.close();
    await above.stop();
  });

  for (const { what, messages = [], headers = {}, code, from } of LIES) {
    it(`${what}: ${code}, and nothing has changed`, async () => {
      const before = state();
      const answer = await peer(from).post(messages, headers);
      const told = answer.code ?? replyOf(answer).response.verdicts[0]?.code;
      expect(told).to.equal(code);
      expect(state()).to.deep.equal(before);
    });
  }

  it('replays an envelope, number and all: accepted again, in effect once', async () => {
    const before = state();
    for (let i = 0; i < 3; i++) {
      const answer = await peer().post([own(2, { sequence: 1 }), own(3, { sequence: 2 })], {
        'backhaul-link': `${SESSION}:1`,
      });
      expect(replyOf(answer).response.verdicts).to.deep.equal([{ accepted: true }, { accepted: true }]);
    }
    expect(state()).to.deep.equal(before);
  });

  it('leaves a gap in its link numbers: waits its time, then BH-E-LINK-ORDER, and takes what comes in order', async () => {
    const before = state();
    const answer = await peer().post([own(90, { sequence: 90 })], { 'backhaul-link': `${SESSION}:4` });
    expect(answer.code).to.equal('BH-E-LINK-ORDER');
    expect(state()).to.deep.equal(before);
    const next = await peer().post([own(4, { sequence: 3 })], { 'backhaul-link': `${SESSION}:2` });
    expect(replyOf(next).response.verdicts).to.deep.equal([{ accepted: true }]);
  }).timeout(30_000);

  it('acknowledges what was acknowledged already: nothing is given back, nothing more is removed', async () => {
    const page = await peer().poll(`${MAILBOX}:1`);
    expect(replyOf(page).messages).to.have.length(2);
    const before = state();
    expect(replyOf(await peer().poll(`${MAILBOX}:1`)).messages).to.have.length(2);
    expect(replyOf(await peer().poll(`${MAILBOX}:0`)).messages).to.have.length(2);
    expect(state()).to.deep.equal(before);
  });

  it('two pollers of one identity: each ends the other, it is counted, and told when it goes on', async () => {
    const told: string[] = [];
    above.handler.twice = (_peer, what) => void told.push(what);
    const [one, two] = [peer(OTHER), peer(OTHER)];
    const polls = [];
    for (let i = 0; i < 12; i++) {
      polls.push((i % 2 === 0 ? one : two).poll('0:0', 20));
      await until('it is held', async () =>
        new RegExp(`relay_second_polls_total ${i}\\b`).test(await above.metrics.text()),
      );
    }
    expect(told).to.deep.equal(['two-pollers']);
    above.listener.disconnect(OTHER);
    await Promise.allSettled(polls);
  });
}

/** A parent that answers whatever is put here. */
class LyingParent implements ParentConnection {
  readonly parent: Parent = { id: MLM, url: 'https://nowhere.example' };
  readonly accepts = undefined;
  greeted = false;
  say: (messages: number, hello: boolean) => { bytes: Buffer; mailbox?: string } | Promise<never> = () => truth(0);
  posts = 0;

  async post(body: Buffer, headers: Record<string, string>) {
    const messages = (body.toString('latin1').match(/<header\./g) ?? []).length;
    if (messages > 0) this.posts++;
    const { bytes, mailbox } = await this.say(messages, headers['backhaul-hello'] === '1');
    if (messages === 0 && headers['backhaul-hello'] !== '1') await new Promise((resolve) => setTimeout(resolve, 250));
    return { body: bytes, contentType: TYPE, mailbox, date: undefined };
  }

  artifact(): never {
    throw new Error('none');
  }

  async close(): Promise<void> {}
}

const BOUNDARY = 'b'.repeat(48);
const TYPE = `multipart/related; type="application/xml"; boundary=${BOUNDARY}`;
const accepted = (count: number) => Array.from({ length: count }, () => ({ accepted: true }));
const truth = (messages: number) => ({
  bytes: Buffer.concat(writeReply(BOUNDARY, { verdicts: accepted(messages) }, [])),
});

const RESPONSES: Readonly<Record<string, (messages: number) => { bytes: Buffer; mailbox?: string }>> = {
  'fewer verdicts than messages': (messages) => truth(Math.max(0, messages - 1)),
  'more verdicts than messages': (messages) => truth(messages + 1),
  'a message with two verdicts': () =>
    raw(
      '<messageResponse version="1.0" messages="3"><accepted first="0" last="2"/><accepted first="1" last="1"/></messageResponse>',
    ),
  'a verdict for a message never sent': () =>
    raw('<messageResponse version="1.0" messages="3"><accepted first="0" last="9"/></messageResponse>'),
  'no verdict at all': () => raw('<messageResponse version="1.0" messages="3"></messageResponse>'),
  'a count that overflows': () =>
    raw(`<messageResponse version="1.0" messages="${HUGE}"><accepted first="0" last="2"/></messageResponse>`),
  'nothing readable': () => ({ bytes: Buffer.from('hello') }),
  'another version': () =>
    raw('<messageResponse version="9.0" messages="3"><accepted first="0" last="2"/></messageResponse>'),
};

function raw(xml: string): { bytes: Buffer } {
  return {
    bytes: Buffer.from(
      `--${BOUNDARY}\r\nContent-ID: <response>\r\nContent-Type: application/xml\r\n\r\n${xml}\r\n--${BOUNDARY}--\r\n`,
    ),
  };
}

function describeParent(): void {
  let parent: LyingParent;
  let below: Awaited<ReturnType<typeof lower>>;
  const start = async (options: Partial<Parameters<typeof lower>[0]> = {}) => {
    below = await lower({ parents: [{ url: parent.parent.url }], connect: () => parent, tls: 'plain', ...options });
  };
  beforeEach(() => {
    parent = new LyingParent();
  });
  afterEach(() => below.stop());

  for (const [what, answer] of Object.entries(RESPONSES)) {
    it(`${what}: nothing leaves the spool`, async () => {
      parent.say = (messages) => (messages === 0 ? truth(0) : answer(messages));
      await start();
      await below.submit(spoolEntries(1, 3));
      await until('it was said', () => parent.posts >= 2, 15_000);
      expect(below.spool.depth().messages).to.equal(3);
      expect(below.removed).to.deep.equal([]);
      parent.say = (messages) => truth(messages);
      await until('the truth is taken', () => below.spool.depth().messages === 0, 15_000);
    }).timeout(40_000);
  }

  for (const mailbox of ['', 'x', `${MAILBOX}:-1`, `${MAILBOX}:${HUGE}`, `${MAILBOX}:1, ${MAILBOX}:2`]) {
    it(`a mailbox place "${mailbox.slice(0, 30)}": nothing is received or acknowledged by it`, async () => {
      parent.say = (messages) => ({ ...truth(messages), mailbox });
      await start();
      await until('it is told', () => below.uplink.status().lastError !== undefined);
      expect(below.uplink.status().lastError!.code).to.equal('BH-E-QUERY');
      expect(below.downward.acknowledged()).to.deep.equal({ epoch: '0', through: 0 });
    });
  }

  it('an answer that comes after its session broke settles nothing: the message is sent again', async () => {
    let release: (() => void) | undefined;
    let first = true;
    parent.say = (messages) => {
      if (messages === 0 || !first) return truth(messages);
      first = false;
      return new Promise<never>((resolve) => {
        release = () => resolve(truth(messages) as never);
      });
    };
    await start();
    await below.submit(spoolEntries(1, 2));
    await until('it is under way', () => release !== undefined);
    parent.say = () => {
      throw Object.assign(new Error('gone'), { code: 'ECONNRESET' });
    };
    const before = below.spool.depth();
    expect(before).to.include({ messages: 2, inFlight: 2 });
    const stopping = below.uplink.relay(spoolEntries(10, 1)).catch(() => {}); // fails, and breaks the session they share
    await stopping;
    await until('it was given back', () => below.spool.depth().inFlight === 0);
    release!();
    await new Promise((resolve) => setImmediate(resolve));
    expect(below.spool.depth().messages).to.equal(2);
    parent.say = (messages) => truth(messages);
    await until('it is sent again', () => below.spool.depth().messages === 0, 15_000);
    expect(parent.posts).to.be.at.least(3);
    expect(EPOCH).to.have.length(16);
  }).timeout(40_000);
}

describe('peers that lie: nothing left open', () => {
  leakCheck({ before, after });
  describe('a child that says what is not true', describeChild);
  describe('a parent that says what is not true', describeParent);
});
