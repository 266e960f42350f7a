import {
  contentTypeOf,
  describeClass,
  type Header,
  jsonData,
  type Lane,
  type MessageIdentity,
  newBoundary,
  type RawMessage,
  readReply,
  WIRE_VERSION,
  writeContent,
  writeEnvelope,
  writeHeader,
  writeReceipts,
} from '@backhaul/envelope';
import { newId } from '@backhaul/runtime';
import { type Answer, type ParentConnection, WIRE_HEADERS } from '@backhaul/transport';
import { Incarnation } from '../incarnation.ts';
import type { ProxyNode } from '../nodes/proxy-node.ts';
import { SimRandom } from '../sim-random.ts';
import type { World } from '../world.ts';

/** Between two lies, ms. */
const PAUSE_MS = [2_000, 30_000] as const;

/** Looks like the workload, and nobody handed it in. */
const UNHEARD_OF = jsonData({ uid: 'uid-0' });

type Lie = (liar: ByzantineProxy) => Promise<void>;

/** Any well-formed lie that a component with a valid certificate can tell. */
const LIES: readonly Lie[] = [
  (liar) => liar.speakFor('another proxy'),
  (liar) => liar.speakFor('the parent'),
  (liar) => liar.receiptAboutAnother(),
  (liar) => liar.acknowledgeTooMuch(),
  (liar) => liar.acknowledgeAnotherMailbox(),
  (liar) => liar.leaveGaps(),
  (liar) => liar.oldEpoch(),
  (liar) => liar.repeat(),
  (liar) => liar.numberOutOfOrder(),
  (liar) => liar.noise(),
];

/**
 * A proxy whose key is good and whose program is not. It must change nothing of what others have said: no message in their
 * name, no receipt about them, no acknowledgement for them; and each lie gets a code.
 */
export class ByzantineProxy {
  lies = 0;
  readonly #world: World;
  readonly #node: ProxyNode;
  readonly #random: SimRandom;
  readonly #life: Incarnation;
  readonly #parent: ParentConnection;
  #epoch: string;
  #sequence = 0;
  #last: { body: Buffer; headers: Record<string, string> } | undefined;

  /** In the place of `node`, whose program does not run. */
  constructor(world: World, node: ProxyNode) {
    this.#world = world;
    this.#node = node;
    this.#random = new SimRandom(world.seed, `liar ${node.id}`);
    this.#life = new Incarnation(world.sim, node.id, 0, () => 0);
    this.#parent = world.network.connect(this.#life, node.identity, node.parents[0]!);
    this.#epoch = this.#newEpoch();
  }

  begin(): void {
    this.#life.after(this.#random.between(...PAUSE_MS), 'lies', () => {
      this.lies++;
      void this.#random
        .pick(LIES)(this)
        .catch(() => {})
        .then(() => this.begin());
    });
  }

  end(): void {
    this.#life.end();
  }

  /** A source that is not the sender's own: refused, never in effect. */
  async speakFor(who: 'another proxy' | 'the parent'): Promise<void> {
    const others = this.#world.proxies.filter(({ id }) => id !== this.#node.id);
    const source = who === 'the parent' ? this.#node.parents[0]!.id : this.#random.pick(others).id;
    await this.#mustBeRefused([
      this.#message({ source, epoch: this.#epoch, lane: 4, sequence: 1 }, 'x-sim', 'reading', UNHEARD_OF),
    ]);
  }

  /** "What that one sent was filtered": refused. */
  async receiptAboutAnother(): Promise<void> {
    const { id: source } = this.#random.pick(this.#world.honestProxies);
    const ranges = [
      { source, epoch: this.#epoch, lane: 6, from: 1, to: 1_000, reason: 'filtered', at: this.#node.id },
    ] as const;
    const content = writeReceipts(ranges);
    await this.#mustBeRefused([this.#message(this.#place(4), 'infrastructure', 'receipt', content)]);
  }

  async acknowledgeTooMuch(): Promise<void> {
    const { mailbox } = await this.#post([], { [WIRE_HEADERS.ack]: '0:0' });
    const epoch = mailbox?.split(':')[0];
    if (epoch !== undefined) await this.#post([], { [WIRE_HEADERS.ack]: `${epoch}:999999` });
  }

  async acknowledgeAnotherMailbox(): Promise<void> {
    await this.#post([], { [WIRE_HEADERS.ack]: `${this.#newEpoch()}:${this.#random.between(1, 9)}` });
  }

  /** Far apart, so that every one opens a gap. */
  async leaveGaps(): Promise<void> {
    const messages = Array.from({ length: 20 }, () => {
      this.#sequence += this.#random.between(2, 1_000);
      return this.#message(this.#place(8));
    });
    await this.#post(messages);
  }

  async oldEpoch(): Promise<void> {
    const before = this.#epoch;
    this.#epoch = this.#newEpoch();
    await this.#post([this.#message(this.#place(4))]);
    await this.#post([this.#message({ source: this.#node.id, epoch: before, lane: 4, sequence: 1_000_000 })]);
  }

  async repeat(): Promise<void> {
    if (this.#last === undefined) return;
    for (let i = 0; i < 3; i++) await this.#send(this.#last.body, this.#last.headers);
  }

  /** A number of a link far ahead, twice, and backwards. */
  async numberOutOfOrder(): Promise<void> {
    const session = this.#random.bytes(8).toString('hex');
    const at = (number: number) => this.#post([], { [WIRE_HEADERS.link]: `${session}:${number}` }).catch(() => {});
    await Promise.all([at(5), at(5), at(3), at(400)]);
  }

  async noise(): Promise<void> {
    const boundary = newBoundary(this.#random);
    await this.#send(this.#random.bytes(this.#random.between(1, 3_000)), { 'content-type': contentTypeOf(boundary) });
  }

  async #mustBeRefused(messages: readonly RawMessage[]): Promise<void> {
    const { contentType, body } = await this.#post(messages);
    const { verdicts } = readReply(contentType, body).response;
    if (verdicts.some(({ accepted }) => accepted))
      this.#world.watch.breach('I6', `a lie of ${this.#node.id} was accepted: ${messages[0]!.id}`);
  }

  #place(lane: Lane): MessageIdentity {
    return { source: this.#node.id, epoch: this.#epoch, lane, sequence: ++this.#sequence };
  }

  #message(place: MessageIdentity, cls = 'x-sim', subclass = 'reading', content = jsonData({ lie: true })) {
    const { classification } = describeClass(cls, subclass, content);
    const header: Header = {
      ...{ ...place, id: newId(this.#life.clock, this.#random), version: WIRE_VERSION, sourceVersion: '9.9.9' },
      ...{ locator: 'source', classification, class: cls, subclass, contentType: content.type },
      ...{ madeAt: this.#life.clock.now(), qos: { precedence: place.lane, persistent: true }, routing: [] },
    };
    return { id: header.id, headerBytes: writeHeader(header), body: writeContent(content) };
  }

  async #post(messages: readonly RawMessage[], headers: Record<string, string> = {}): Promise<Answer> {
    const boundary = newBoundary(this.#random);
    const body = Buffer.concat(writeEnvelope(boundary, messages));
    this.#last = { body, headers: { 'content-type': contentTypeOf(boundary), ...headers } };
    return await this.#send(body, this.#last.headers);
  }

  #send(body: Buffer, headers: Record<string, string>): Promise<Answer> {
    return this.#parent.post(body, headers, { signal: new AbortController().signal });
  }

  #newEpoch(): string {
    return this.#random.bytes(8).toString('hex');
  }
}
