import { expect } from 'chai';
import { throttleModule } from '../src/index.ts';
import { contextOf, handClock, json, messageOf } from './messages.ts';

const message = () => messageOf({}, json({}), 1000);

describe('throttle', () => {
  it('accepts the burst, then refuses with the wait until the next one fits', async () => {
    const clock = handClock();
    const module = throttleModule({
      use: 'throttle',
      rules: [{ class: 'performance', messagesPerSecond: 10, burst: 0.3 }],
    });
    await module.start(contextOf(clock));
    const answers = [1, 2, 3, 4].map(() => module.up?.(message())?.do);
    expect(answers).to.deep.equal(['pass', 'pass', 'pass', 'refuse']);
    clock.move(100);
    expect(module.up?.(message())?.do).to.equal('pass');
    expect(module.up?.(message())).to.include({ do: 'refuse', code: 'BH-E-THROTTLE' });
  });

  it('tells senders refused together to come back one after the other', async () => {
    const clock = handClock();
    const module = throttleModule({
      use: 'throttle',
      rules: [{ class: 'performance', messagesPerSecond: 10, burst: 0.1 }],
    });
    await module.start(contextOf(clock));
    module.up?.(message());
    const waits = [1, 2, 3].map(() => {
      const action = module.up?.(message());
      return action?.do === 'refuse' ? action.waitMs : 0;
    });
    expect(waits).to.deep.equal([100, 200, 300]);
  });

  it('counts bytes, and lets one larger than the burst pass from a full bucket', async () => {
    const clock = handClock();
    const module = throttleModule({ use: 'throttle', rules: [{ bytesPerSecond: 500 }] });
    await module.start(contextOf(clock));
    expect(module.up?.(message())?.do).to.equal('pass');
    expect(module.up?.(message())?.do).to.equal('refuse');
    clock.move(2_000);
    expect(module.up?.(message())?.do).to.equal('pass');
  });

  it('lets emergency and, unless named, infrastructure pass', async () => {
    const clock = handClock();
    const module = throttleModule({ use: 'throttle', rules: [{ messagesPerSecond: 1 }] });
    await module.start(contextOf(clock));
    module.up?.(message());
    expect(module.up?.(messageOf({ lane: 0 }, json({})))?.do).to.equal('pass');
    const receipt = { class: 'infrastructure', classification: 'infrastructure-administration' as const };
    expect(module.up?.(messageOf(receipt, json({})))?.do).to.equal('pass');
    expect(module.up?.(message())?.do).to.equal('refuse');
  });

  it('a message refused by one rule uses up nothing of another', async () => {
    const clock = handClock();
    const rules = [
      { messagesPerSecond: 2, burst: 1 },
      { class: 'performance', messagesPerSecond: 1, burst: 1 },
    ];
    const module = throttleModule({ use: 'throttle', rules });
    await module.start(contextOf(clock));
    module.up?.(message());
    for (let i = 0; i < 10; i++) expect(module.up?.(message())?.do).to.equal('refuse');
    expect(module.up?.(messageOf({ class: 'x-other' }, json({})))?.do).to.equal('pass');
  });

  it('authorises transfers up to its size', () => {
    const module = throttleModule({ use: 'throttle', maxTransferBytes: 100 });
    const ask = (size: number) =>
      module.authorizeTransfer?.({ class: 'software', subclass: 'offer', size, direction: 'down' });
    expect(ask(100)).to.deep.equal({ allowed: true });
    expect(ask(101)).to.include({ allowed: false });
  });
});
