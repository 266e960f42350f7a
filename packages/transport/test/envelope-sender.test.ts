import { contentTypeOf, newBoundary, writeReply } from '@backhaul/envelope';
import { Metrics, systemRandom } from '@backhaul/runtime';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import { EnvelopeSender, type EnvelopeSenderOptions } from '../src/envelope-sender.ts';
import type { ParentConnection } from '../src/parent-connection.ts';
import { uplinkMetrics } from '../src/uplink-metrics.ts';
import { spoolEntries } from './support/messages.ts';

/** A sender over a line that needs so long for each answer, and a parent with so many open connections. */
function senderOf(answerMs: number, connected: number) {
  const clock = new FakeClock();
  let questions = 0;
  const sender = new EnvelopeSender({
    ...{ self: 'c0000test.m1', boot: 'b', maxBytes: 1 << 20, compress: false, clock, random: systemRandom },
    parents: { attempt: () => 0, answered: () => {}, failed: () => {} },
    pulse: {
      during: (_link: unknown, _patience: unknown, signal: AbortSignal, post: (signal: AbortSignal) => unknown) =>
        post(signal),
      isThere: async () => ++questions > 0,
    },
    turns: { envelope: () => () => {} },
    metrics: uplinkMetrics(new Metrics('mlm'), { connected: () => true, inFlight: () => 0 }),
  } as unknown as EnvelopeSenderOptions);
  const link = {
    connected,
    post: async () => {
      await clock.advance(answerMs);
      const boundary = newBoundary(systemRandom);
      const body = Buffer.concat(writeReply(boundary, { verdicts: [{ accepted: true }] }, []));
      return { body, contentType: contentTypeOf(boundary), mailbox: undefined };
    },
  } as unknown as ParentConnection;
  const send = (lane: 2 | 8, number: number) =>
    sender.send({ entries: spoolEntries(number, 1, { lane }), bytes: 1_000 }, link);
  return { send, questions: () => questions };
}

describe('the sender of envelopes', () => {
  it('opens a spare connection before a backlog takes the only one of a thin line', async () => {
    const { send, questions } = senderOf(500, 1);
    for (let n = 1; n <= 3; n += 1) await send(8, n);
    expect(questions(), 'the line is not known yet').to.equal(0);
    await send(8, 4);
    expect(questions()).to.equal(1);
    await send(2, 1);
    expect(questions(), 'an alarm needs no spare').to.equal(1);
  });

  it('opens none where there is another, or over a fast line', async () => {
    for (const { send, questions } of [senderOf(500, 2), senderOf(1, 1)]) {
      for (let n = 1; n <= 5; n += 1) await send(8, n);
      expect(questions()).to.equal(0);
    }
  });
});
