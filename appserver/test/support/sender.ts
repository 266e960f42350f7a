import {
  type Alarm,
  type Content,
  describeClass,
  type EventContent,
  type Header,
  type Hop,
  jsonData,
  jsonElement,
  type Lane,
  type Message,
  type Tombstone,
  writeContent,
  writeHeader,
  writeReceipts,
} from '@backhaul/envelope';
import { newId, systemClock, systemRandom } from '@backhaul/runtime';

export interface MessageOptions {
  class?: string;
  subclass?: string;
  instance?: string;
  sequence?: number;
  lane?: Lane;
  id?: string;
  madeAt?: number;
  routing?: readonly Hop[];
  locator?: 'source' | 'destination';
  body?: Uint8Array;
  eventKey?: string;
}

/** A source with its own numbers: makes messages as a proxy or an MLM does. */
export class Sender {
  readonly id: string;
  readonly epoch: string;
  readonly #last = new Map<Lane, number>();

  constructor(id: string, epoch = 'ab'.repeat(8)) {
    this.id = id;
    this.epoch = epoch;
  }

  /** The instance most tests talk about. */
  get instance(): string {
    return `${this.id}.s1`;
  }

  message(content: Content, options: MessageOptions = {}): Message {
    const { class: cls = 'x-test', subclass = 'any', locator = 'source' } = options;
    const described = describeClass(cls, subclass, content);
    const lane = options.lane ?? described.lane;
    const sequence = options.sequence ?? (this.#last.get(lane) ?? 0) + 1;
    this.#last.set(lane, Math.max(sequence, this.#last.get(lane) ?? 0));
    const header: Header = {
      id: options.id ?? newId(systemClock, systemRandom),
      version: '1.0',
      locator,
      source: this.id,
      sourceVersion: '0.1.0',
      epoch: this.epoch,
      lane,
      sequence,
      ...(options.eventKey === undefined ? {} : { eventKey: options.eventKey }),
      ...(options.instance === undefined ? {} : { instance: options.instance }),
      classification: described.classification,
      class: cls,
      subclass,
      contentType: content.type,
      madeAt: options.madeAt ?? systemClock.now(),
      qos: { precedence: lane, persistent: false },
      ...(locator === 'destination' ? { destination: { kind: 'component', id: this.id } as const } : {}),
      routing: options.routing ?? [],
    };
    return { header, headerBytes: writeHeader(header), body: options.body ?? writeContent(content) };
  }

  data(value: unknown = { n: 1 }, options: MessageOptions = {}): Message {
    return this.message(jsonData(value), options);
  }

  receipts(tombstones: readonly Omit<Tombstone, 'at'>[], options: MessageOptions = {}): Message {
    const list = tombstones.map((tombstone) => ({ at: this.id, ...tombstone }));
    return this.message(writeReceipts(list), {
      class: 'infrastructure',
      subclass: 'receipt',
      lane: list[0]!.lane,
      ...options,
    });
  }

  alarm(given: Partial<Alarm> = {}, options: MessageOptions = {}): Message {
    const alarm: Alarm = {
      type: 'alarm',
      alarmId: 'load',
      severity: 'major',
      state: 'open',
      instance: this.instance,
      occurredAt: systemClock.now(),
      text: 'load is 12',
      ...given,
    };
    return this.message(alarm, { class: 'system-alarms', subclass: 'load', instance: alarm.instance, ...options });
  }

  event(cls: string, subclass: string, value: unknown, given: Partial<EventContent> = {}): Message {
    const event: EventContent = {
      type: 'event',
      eventId: 'step',
      severity: 'info',
      instance: this.id,
      occurredAt: systemClock.now(),
      text: 'a step',
      data: jsonElement(value),
      ...given,
    };
    return this.message(event, { class: cls, subclass });
  }
}
