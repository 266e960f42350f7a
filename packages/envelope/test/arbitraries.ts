import fc from 'fast-check';
import {
  ALARM_STATES,
  CLASSIFICATIONS,
  CONTENT_TYPES,
  type Content,
  type DataElement,
  type Destination,
  type Header,
  type HeldRange,
  type Holdings,
  type Hop,
  type Lane,
  type Mark,
  SEVERITIES,
  STATUS_KINDS,
  STATUS_STATES,
  type StatusNode,
  TOMBSTONE_REASONS,
  type Tombstone,
} from '../src/index.ts';

/** Text with everything that could break out of XML, and much else; only what XML can carry. */
export const xmlText = (options: { minLength?: number; maxLength?: number } = {}) =>
  fc
    .oneof(
      { weight: 3, arbitrary: fc.string({ unit: 'binary', ...options }) },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme', ...options }) },
      { weight: 2, arbitrary: fc.string({ unit: fc.constantFrom(...NASTY), ...options }) },
    )
    .map((text) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '.').toWellFormed())
    .filter(
      ({ length }) => length >= (options.minLength ?? 0) && length <= (options.maxLength ?? Number.POSITIVE_INFINITY),
    );

const NASTY = [
  ']]>',
  '-->',
  '?>',
  '<!--',
  '<![CDATA[',
  '<!DOCTYPE',
  '&',
  '&amp;',
  '&#0;',
  '&#10;',
  '<',
  '>',
  '"',
  "'",
  '\r\n',
  '\r',
  '\n',
  '\t',
  ' ',
  '\u0085',
  '\u2028',
  '\u00a0',
  '\ufeff',
  '\ud83d\ude00',
  '</alarm>',
  '__proto__',
  '\u0080',
  '\ufffd',
];

const undefinable = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const withoutUndefined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;

const digits = (alphabet: string, length: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: length, maxLength: length });

export const id = digits('0123456789abcdefghjkmnpqrstvwxyz', 26);
export const hex = (length: number) => digits('0123456789abcdef', length);
export const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,30}$/);
const time = fc.integer({ min: 0, max: 8.64e15 });
const lane = fc.integer({ min: 0, max: 8 }) as fc.Arbitrary<Lane>;
const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const natural = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const duration = fc.integer({ min: 0, max: 1e13 });
const version = fc.stringMatching(/^[0-9A-Za-z][0-9A-Za-z.+~_-]{0,20}$/);
const path = fc
  .array(fc.stringMatching(/^[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,12}$/), { minLength: 1, maxLength: 4 })
  .map((parts) => `/${parts.join('/')}`);

export const hop: fc.Arbitrary<Hop> = fc
  .record({ id: name, in: time, out: time, left: undefinable(duration) })
  .map(withoutUndefined) as fc.Arbitrary<Hop>;

const destination: fc.Arbitrary<Destination> = fc.oneof(
  name.map((found) => ({ kind: 'component', id: found }) as const),
  name.map((found) => ({ kind: 'group', name: found }) as const),
  fc.uniqueArray(name, { minLength: 1, maxLength: 20 }).map((ids) => ({ kind: 'list', ids }) as const),
);

export const header: fc.Arbitrary<Header> = fc
  .record({
    version: fc.constant('1.0'),
    id,
    inReplyTo: undefinable(id),
    source: name,
    sourceVersion: version,
    epoch: hex(16),
    lane,
    sequence: positive,
    instance: undefinable(name),
    sourceType: undefinable(name),
    eventKey: undefinable(xmlText({ minLength: 1, maxLength: 100 })),
    classification: fc.constantFrom(...CLASSIFICATIONS),
    class: name,
    subclass: name,
    contentType: fc.constantFrom(...CONTENT_TYPES),
    madeAt: time,
    qos: fc
      .record({
        expiresAt: undefinable(time),
        timeToLive: undefinable(duration),
        persistent: fc.boolean(),
        supersedeKey: undefinable(fc.oneof(name, xmlText({ minLength: 1, maxLength: 64 }))),
      })
      .map(withoutUndefined),
    destination: undefinable(destination),
    traceparent: undefinable(fc.tuple(hex(2), hex(32), hex(16), hex(2)).map((parts) => parts.join('-'))),
    routing: fc.array(hop, { maxLength: 4 }),
  })
  .map((made) =>
    withoutUndefined({
      ...made,
      locator: made.destination === undefined ? 'source' : 'destination',
      qos: { precedence: made.lane, ...made.qos },
    }),
  ) as fc.Arbitrary<Header>;

export const dataElement: fc.Arbitrary<DataElement> = fc.oneof(
  fc.record({
    mimeType: fc.constantFrom('text/plain', 'application/json', 'text/xml'),
    encoding: fc.constant('none' as const),
    text: xmlText(),
  }),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => ({
    mimeType: 'application/octet-stream',
    encoding: 'base64' as const,
    text: Buffer.from(bytes).toString('base64'),
  })),
);

const common = {
  severity: fc.constantFrom(...SEVERITIES),
  instance: name,
  occurredAt: time,
  location: undefinable(xmlText({ minLength: 1, maxLength: 40 })),
  text: xmlText(),
  data: undefinable(dataElement),
};

export const content: fc.Arbitrary<Content> = fc
  .oneof(
    fc.record({
      type: fc.constant('alarm'),
      alarmId: xmlText({ minLength: 1, maxLength: 60 }),
      state: fc.constantFrom(...ALARM_STATES),
      ...common,
    }),
    fc.record({ type: fc.constant('event'), eventId: xmlText({ minLength: 1, maxLength: 60 }), ...common }),
    fc.record({
      type: fc.constant('messageResponse'),
      request: id,
      status: fc.constantFrom('accepted', 'done', 'refused', 'failed', 'expired'),
      code: undefinable(fc.constantFrom('BH-E-THROTTLE', 'X')),
      retryable: undefinable(fc.boolean()),
      waitMs: undefinable(duration),
      text: xmlText(),
      data: undefinable(dataElement),
    }),
    fc.record({
      type: fc.constant('bulkDataRequest'),
      sha256: hex(64),
      size: natural,
      class: name,
      subclass: name,
      name,
      artifactVersion: version,
      location: path,
      data: undefinable(dataElement),
    }),
    fc.record({
      type: fc.constant('bulkDataResponse'),
      request: id,
      status: fc.constantFrom('granted', 'refused'),
      code: undefinable(fc.constant('BH-E-BULK-REFUSED')),
      waitMs: undefinable(duration),
      location: undefinable(path),
      text: xmlText(),
    }),
    dataElement.map((data) => ({ type: 'data' as const, ...data })),
  )
  .map((made) => withoutUndefined(made)) as fc.Arbitrary<Content>;

export const tombstone: fc.Arbitrary<Tombstone> = fc
  .record({
    source: name,
    epoch: hex(16),
    lane,
    range: fc.tuple(positive, positive),
    reason: fc.constantFrom(...TOMBSTONE_REASONS),
    rule: undefinable(xmlText({ minLength: 1, maxLength: 40 })),
    aggregate: undefinable(id),
    at: name,
  })
  .map(({ range: [a, b], ...rest }) =>
    withoutUndefined({ ...rest, from: Math.min(a, b), to: Math.max(a, b) }),
  ) as fc.Arbitrary<Tombstone>;

const heldRange: fc.Arbitrary<HeldRange> = fc
  .record({ source: name, epoch: hex(16), lane, from: fc.integer({ min: 1, max: 1e9 }), more: fc.nat(1e6) })
  .chain(({ more, ...rest }) =>
    fc.integer({ min: 1, max: more + 1 }).map((messages) => ({ ...rest, to: rest.from + more, messages })),
  );

export const holdings: fc.Arbitrary<Holdings> = fc.record({
  madeAt: time,
  own: fc.array(fc.record({ epoch: hex(16), lane, last: natural }), { maxLength: 9 }),
  ranges: fc.array(heldRange, { maxLength: 9 }),
  truncated: fc.boolean(),
});

export const mark: fc.Arbitrary<Mark> = fc
  .record({ source: name, epoch: hex(16), lane, through: natural, newest: undefinable(fc.boolean()) })
  .map(withoutUndefined) as fc.Arbitrary<Mark>;

/** A status tree of up to `levels` levels below the root. */
function statusTree(levels: number): fc.Arbitrary<StatusNode> {
  const children = levels === 0 ? fc.constant([]) : fc.array(statusTree(levels - 1), { maxLength: 3 });
  return fc
    .record({
      kind: fc.constantFrom(...STATUS_KINDS),
      id: xmlText({ minLength: 1, maxLength: 20 }),
      state: fc.constantFrom(...STATUS_STATES),
      version: undefinable(version),
      since: undefinable(time),
      heardAt: undefinable(time),
      backlog: undefinable(natural),
      oldestMs: undefinable(duration),
      nextRetryMs: undefinable(duration),
      detail: undefinable(xmlText({ maxLength: 40 })),
      children,
    })
    .map(withoutUndefined) as fc.Arbitrary<StatusNode>;
}

export const statusNode: fc.Arbitrary<StatusNode> = statusTree(3);
