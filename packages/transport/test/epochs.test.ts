import type { Mark, Message, Verdict } from '@backhaul/envelope';
import { commitChanges } from '@backhaul/spool';
import { leakCheck, until } from '@backhaul/testkit';
import { EpochWatch, epochRefusal } from '@backhaul/transport';
import { expect } from 'chai';
import { NumberedComponent } from './support/component.ts';
import { type Upper, upper } from './support/hop.ts';
import { PROXY } from './support/messages.ts';

/** A direct parent that fences, as MLM and application server do, and knows ids that it has had before. */
function fencing({ handler }: Upper): { heard: string[]; watch: EpochWatch; epochs: () => string[] } {
  const watch = new EpochWatch();
  const heard: string[] = [];
  const epochs = () => [...new Set(handler.seen.marks(PROXY).map(({ epoch }) => epoch))];
  handler.judge = ({ header: { source, epoch, lane, sequence } }: Message): Verdict => {
    if (handler.seen.has(source, epoch, lane, sequence)) return { accepted: true };
    const knowledge = { newest: epochs().at(-1), known: epochs().includes(epoch) };
    const judgement = watch.judge(source, epoch, knowledge, performance.now());
    heard.push(judgement);
    const error = epochRefusal(judgement, epoch);
    if (!error) return { accepted: true };
    return { accepted: false, code: error.code, retryable: true, waitMs: error.retryAfterMs ?? 10 };
  };
  handler.marks = (): readonly Mark[] =>
    (handler.seen.marks(PROXY) as Mark[]).map((mark) => ({ ...mark, newest: mark.epoch === epochs().at(-1) }));
  return { heard, watch, epochs };
}

describe('epochs of a component', () => {
  leakCheck({ before, after });
  let above: Upper;
  let parent: ReturnType<typeof fencing>;
  const components: NumberedComponent[] = [];
  const start = async (copyOf?: NumberedComponent): Promise<NumberedComponent> => {
    const component = await NumberedComponent.start(above.listener.url, copyOf);
    components.push(component);
    return component;
  };
  const delivered = (): string[] =>
    above.handler.effects.filter(({ header }) => header.subclass !== 'receipt').map(({ header }) => header.id);
  const idle = (component: NumberedComponent) => until('its spool is empty', () => component.waiting === 0, 15_000);

  beforeEach(async () => {
    above = await upper();
    parent = fencing(above);
  });
  afterEach(async () => {
    for (const component of components.splice(0)) await component.stop();
    await above.stop();
  });

  it('an old copy begins a new epoch in its first exchange; nothing is lost and no number is used twice', async () => {
    const original = await start();
    await original.say(5);
    await idle(original);
    const copied = await NumberedComponent.prepare(above.listener.url, original);
    await original.say(5);
    await idle(original);
    await original.uplink.stop();
    components.push(copied);
    await copied.say(3); // numbers 6 to 8 of the same epoch, for other messages
    await copied.uplink.start();
    await idle(copied);
    expect(delivered()).to.have.members([...original.accepted, ...copied.accepted]);
    expect(new Set(delivered()).size).to.equal(13);
    expect(parent.epochs()).to.have.length(2);
    expect(parent.heard).not.to.include('superseded');
  });

  it('an old copy that has given more numbers than the original before it is asked is known all the same', async () => {
    const original = await start();
    await original.say(5);
    await idle(original);
    const copied = await NumberedComponent.prepare(above.listener.url, original);
    await original.say(5);
    await idle(original);
    await original.uplink.stop();
    components.push(copied);
    await copied.say(30); // 6 to 10 among them were used for other messages
    await copied.uplink.start();
    await idle(copied);
    expect(new Set(delivered())).to.deep.equal(new Set([...original.accepted, ...copied.accepted]));
  });

  it('a component that is started again, its answers lost, is no copy', async () => {
    const original = await start();
    await original.say(5);
    await idle(original);
    const again = await NumberedComponent.prepare(above.listener.url, original);
    await original.uplink.stop();
    components.push(again);
    await again.say(9);
    await again.uplink.start();
    await idle(again);
    expect(parent.epochs()).to.have.length(1);
  });

  it('one that runs while a copy of it takes over is fenced, and begins a new epoch by itself', async () => {
    const original = await start();
    await original.say(5);
    await idle(original);
    await commitChanges(above.handler.store, [
      above.handler.seen.stage([{ source: PROXY, epoch: 'c'.repeat(16), lane: 6, from: 1, to: 4 }]),
    ]);
    await original.say(20);
    await idle(original);
    expect(parent.heard.filter((judgement) => judgement === 'superseded')).to.have.length.within(1, 40);
    expect(delivered()).to.have.length(25);
    expect(new Set(delivered())).to.deep.equal(new Set(original.accepted));
    expect(parent.epochs().at(-1)).to.equal(original.numbering.epoch);
    expect(parent.watch.clones()).to.deep.equal([]);
  });

  it('what was seen in an old epoch is still answered as accepted', async () => {
    const original = await start();
    await original.say(3);
    await idle(original);
    const { numbering } = original;
    await commitChanges(above.handler.store, [
      above.handler.seen.stage([{ source: PROXY, epoch: 'c'.repeat(16), lane: 6, from: 1, to: 1 }]),
    ]);
    const copied = await NumberedComponent.prepare(above.listener.url, original);
    components.push(copied);
    expect(copied.numbering.epoch).to.equal(numbering.epoch);
    const [first] = above.handler.effects;
    expect(above.handler.judge(first!)).to.deep.equal({ accepted: true });
    expect(above.handler.judge({ ...first!, header: { ...first!.header, sequence: 9 } })).to.include({
      code: 'BH-E-EPOCH',
    });
  });

  it('a crash between the new epoch and its numbers leaves nothing stuck', async () => {
    const original = await start();
    await original.say(2);
    await idle(original);
    await original.uplink.stop();
    await original.say(4); // under the old epoch …
    await commitChanges(original.store, [original.numbering.renew()]); // … when the new one begins, and no more
    const after = await NumberedComponent.prepare(above.listener.url, original);
    components.push(after);
    after.accepted.push(...original.accepted);
    await after.say(1);
    await commitChanges(above.handler.store, [
      above.handler.seen.stage([{ source: PROXY, epoch: after.numbering.epoch, lane: 4, from: 1, to: 1 }]),
    ]); // the parent has heard of the new epoch already
    await after.uplink.start();
    await idle(after);
    expect(new Set(delivered())).to.deep.equal(new Set(after.accepted));
  });

  it('an old copy that crashes between its new epoch and the new numbers loses nothing either', async () => {
    const original = await start();
    await original.say(5);
    await idle(original);
    const copied = await NumberedComponent.prepare(above.listener.url, original);
    await original.say(5);
    await idle(original);
    await copied.say(3); // 6 to 8 again, for other messages
    await commitChanges(copied.store, [copied.numbering.renew()]); // the first exchange has told; then the crash
    const after = await NumberedComponent.prepare(above.listener.url, copied);
    components.push(after);
    await copied.store.stop();
    await after.uplink.start();
    await idle(after);
    expect(new Set(delivered())).to.deep.equal(new Set([...original.accepted, ...copied.accepted]));
  });

  it('two live copies take over from one another, are noticed and refused, and lose nothing', async () => {
    const told: string[] = [];
    above.handler.twice = (_peer, what) => void told.push(what);
    const original = await start();
    await original.say(2);
    await idle(original);
    const copy = await start(original); // as new as the original: it would give the same numbers
    for (let i = 0; i < 60 && told.length === 0; i++) {
      await original.say(1);
      await copy.say(1);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(told).to.deep.equal(['clone']);
    for (const component of [original, copy]) await component.say(1); // who has nothing to say is told when it next asks
    await until('both are told', () =>
      [original, copy].every(({ uplink }) => uplink.status().lastError?.code === 'BH-E-CLONE'),
    );
    expect(original.waiting + copy.waiting).to.be.above(0);
    copies(await everything(original), await everything(copy));
  }).timeout(100_000);

  /** All that either accepted is at the parent, or still waits with it. */
  const copies = (...parts: readonly Everything[]): void => {
    const there = new Set([...delivered(), ...parts.flatMap(({ waiting }) => waiting)]);
    expect(parts.flatMap(({ accepted }) => accepted).filter((id) => !there.has(id))).to.deep.equal([]);
  };
});

interface Everything {
  readonly accepted: readonly string[];
  readonly waiting: readonly string[];
}

async function everything({ uplink, spool, accepted }: NumberedComponent): Promise<Everything> {
  await uplink.stop();
  const waiting: string[] = [];
  await until(
    'all that waits is found, what waits for its time too',
    async () => {
      const claim = await spool.claim({ maxMessages: 256, maxBytes: 1 << 24 });
      waiting.push(...(claim?.entries ?? []).map(({ id }) => id));
      return waiting.length === spool.depth().messages;
    },
    70_000,
  );
  return { accepted, waiting };
}
