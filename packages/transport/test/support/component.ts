import { identityOf } from '@backhaul/identity';
import { Metrics, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { commitChanges, LaneQueue, MemoryStore, SequenceCounter } from '@backhaul/spool';
import { type Draft, KnownNumbers, Outbox, renewEpochIfRestored, Uplink } from '@backhaul/transport';
import { certificates, RecordingDownward, TRUST_DOMAIN } from './hop.ts';
import { MLM, PROXY } from './messages.ts';

const DRAFT: Draft = {
  lane: 6,
  classification: 'monitoring',
  class: 'x-test',
  subclass: 'one',
  content: { type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'x' },
};

/** A component with numbers of its own, as a proxy or an MLM has them; its store can be copied, as a backup is. */
export class NumberedComponent {
  readonly store = new MemoryStore();
  readonly spool: LaneQueue;
  readonly numbering: SequenceCounter;
  readonly outbox: Outbox;
  readonly known: KnownNumbers;
  readonly uplink: Uplink;
  /** ids in the order in which they were accepted here */
  readonly accepted: string[] = [];

  private constructor(url: string) {
    const common = { store: this.store, clock: systemClock, random: systemRandom };
    this.spool = new LaneQueue({ ...common, prefix: 'spool', maxBytes: 1 << 28, maxMessages: 100_000 });
    this.numbering = new SequenceCounter({ ...common, prefix: 'own' });
    const { store, spool, numbering } = this;
    const outbox = new Outbox({ ...common, self: PROXY, numbering, spool });
    this.outbox = outbox;
    this.known = new KnownNumbers({ self: PROXY, numbering });
    const { known } = this;
    const renewing = { self: PROXY, numbering, known, spool, outbox, store, clock: systemClock, logger: silentLogger };
    this.uplink = new Uplink({
      ...common,
      ...{ self: identityOf(PROXY, TRUST_DOMAIN), parents: [{ id: MLM, url }], tls: certificates().component(PROXY) },
      ...{ spool, known, downward: new RecordingDownward(), logger: silentLogger, metrics: new Metrics('proxy') },
      onRemoved: (removed) => this.outbox.receipts(removed),
      onMarks: async (marks, how) => void (await renewEpochIfRestored(renewing, marks, how)),
    });
  }

  /** `copyOf`: begins with what that one's store holds now. */
  static async start(url: string, copyOf?: NumberedComponent): Promise<NumberedComponent> {
    const component = await NumberedComponent.prepare(url, copyOf);
    await component.uplink.start();
    return component;
  }

  static async prepare(url: string, copyOf?: NumberedComponent): Promise<NumberedComponent> {
    const component = new NumberedComponent(url);
    await component.store.start();
    const ops = [];
    if (copyOf) for await (const [key, value] of copyOf.store.scan('')) ops.push({ type: 'put' as const, key, value });
    if (ops.length > 0) await commitChanges(component.store, [{ ops, applied: () => {} }]);
    await component.numbering.load();
    await component.spool.load();
    component.known.begin();
    if (!copyOf) await commitChanges(component.store, [component.numbering.renew()]);
    return component;
  }

  async say(count = 1): Promise<void> {
    const { results, changes } = this.outbox.stage(Array.from({ length: count }, () => DRAFT));
    await commitChanges(this.store, changes);
    for (const result of results) if ('id' in result) this.accepted.push(result.id);
  }

  get waiting(): number {
    return this.spool.depth().messages;
  }

  async stop(): Promise<void> {
    await this.uplink.stop();
    await this.store.stop();
  }
}
