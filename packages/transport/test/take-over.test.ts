import { contentTypeOf, newBoundary, type RawMessage, writeEnvelope } from '@backhaul/envelope';
import { identityOf } from '@backhaul/identity';
import { Metrics, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { until } from '@backhaul/testkit';
import { expect } from 'chai';
import { answerExchange, type ExchangeContext, exchangeContext } from '../src/envelope-exchange.ts';
import type { ReceivedBody } from '../src/request-body.ts';
import { TRUST_DOMAIN } from './support/hop.ts';
import { MLM, PROXY, parts, sequencesOf } from './support/messages.ts';
import { RecordingHandler } from './support/recording-handler.ts';

const OLD = '0'.repeat(16);
const NEW = '1'.repeat(16);

describe('a process that takes over from another of its identity', () => {
  let handler: RecordingHandler;
  let context: ExchangeContext;

  /** A request whose body comes when it is told to; `code` is what it was refused with. */
  const begin = (boot: string, messages: readonly RawMessage[], headers: Record<string, string> = {}) => {
    const boundary = newBoundary(systemRandom);
    const bytes = Buffer.concat(writeEnvelope(boundary, messages));
    const { promise, resolve } = Promise.withResolvers<ReceivedBody>();
    const answer = answerExchange(context, {
      peer: { identity: identityOf(PROXY, TRUST_DOMAIN), address: '127.0.0.1' },
      headers: {
        'backhaul-version': '1.0',
        'content-type': contentTypeOf(boundary),
        'content-length': String(bytes.length),
        'backhaul-boot': boot,
        ...headers,
      },
      body: () => promise,
      gone: new AbortController().signal,
    });
    const code = answer.then(
      () => 'answered',
      (error) => error.code,
    );
    return { comes: () => resolve({ bytes, wireBytes: bytes.length }), code };
  };
  const send = (number: number) => begin(OLD, [parts(number)], { 'backhaul-link': `${'a'.repeat(16)}:${number}` });
  const hello = () => {
    const request = begin(NEW, [], { 'backhaul-hello': '1', 'backhaul-ack': '0:0' });
    request.comes();
    return request.code;
  };

  beforeEach(async () => {
    handler = new RecordingHandler();
    await handler.start();
    context = exchangeContext({
      ...{ self: MLM, handler, clock: systemClock, logger: silentLogger, metrics: new Metrics('mlm') },
      ...{ receivedBytes: 1 << 26, handling: () => 0, draining: () => false },
    });
  });
  afterEach(() => handler.stop());

  it('does not wait for an upload that the old one has left half open; nothing of it is accepted any more', async () => {
    const [first, second] = [send(1), send(2)];
    second.comes(); // it waits for its turn behind the first
    expect(await hello()).to.equal('answered');
    first.comes();
    expect(await Promise.all([first.code, second.code])).to.deep.equal(['BH-E-EPOCH', 'BH-E-EPOCH']);
    expect(handler.effects).to.deep.equal([]);
  });

  it('waits for what is being committed of the old one, so that the marks it is told hold that as well', async () => {
    const committing = Promise.withResolvers<void>();
    handler.before = () => committing.promise;
    const first = send(1);
    first.comes();
    await until('it is being committed', () => handler.envelopes.length === 1);
    let told: string | undefined;
    const greeting = hello().then((code) => (told = code));
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).to.equal(undefined);
    committing.resolve();
    expect(await Promise.all([first.code, greeting])).to.deep.equal(['answered', 'answered']);
    expect(sequencesOf(handler.effects)).to.deep.equal([1]);
  });
});
