import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  boundaryOf,
  contentTypeOf,
  EnvelopeReader,
  envelopeBytesOf,
  LIMITS,
  newBoundary,
  type RawMessage,
  readEnvelope,
  readEnvelopeStream,
  readReply,
  toMessage,
  writeEnvelope,
  writeReply,
} from '../src/index.ts';
import { codeOf, codeOfAsync, expectCode } from './codes.ts';
import { BOUNDARY, CONTENT_TYPE, fixedRandom, sampleId, sampleMessage } from './samples.ts';

const FIXTURES = new URL('../fixtures/', import.meta.url);
const folder = (path: string) =>
  readdirSync(new URL(`${path}/`, FIXTURES)).map((name) => ({
    name,
    bytes: readFileSync(new URL(`${path}/${name}`, FIXTURES)),
  }));

/** Feeds pieces of the given sizes (the last size repeats). */
function readInPieces(bytes: Buffer, sizes: readonly number[]): RawMessage[] {
  const reader = new EnvelopeReader(CONTENT_TYPE);
  const messages: RawMessage[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[Math.min(turn, sizes.length - 1)] as number;
    messages.push(...reader.push(Buffer.from(bytes.subarray(at, at + size))));
    at += size;
  }
  reader.end();
  return messages;
}

const copies = (messages: readonly RawMessage[]) =>
  messages.map(({ id, headerBytes, body }) => ({
    id,
    header: Buffer.from(headerBytes).toString('latin1'),
    body: Buffer.from(body).toString('latin1'),
  }));

const message = fc.record({
  headerBytes: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(
        fc.constantFrom('\r\n', '--', BOUNDARY, `\r\n--${BOUNDARY}`, `\r\n--${BOUNDARY}--`, '\r', '\n', '-', 'x'),
        { maxLength: 12 },
      )
      .map((parts) => Buffer.from(parts.join(''))),
  ),
});
const envelope = fc
  .array(message, { maxLength: 6 })
  .map((parts): RawMessage[] => parts.map((part, index) => ({ id: sampleId(index + 1), ...part })));

describe('envelopes', () => {
  it('E5: written, then read, are the same byte for byte, whatever the bodies hold', () => {
    fc.assert(
      fc.property(envelope, (messages) => {
        const bytes = Buffer.concat(writeEnvelope(BOUNDARY, messages));
        expect(copies(readEnvelope(CONTENT_TYPE, bytes))).to.deep.equal(copies(messages));
      }),
      { numRuns: 300 },
    );
  });

  it('T-A5: the stream reader gives the same in pieces of any size, byte by byte too', () => {
    fc.assert(
      fc.property(envelope, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (messages, sizes) => {
        const bytes = Buffer.concat(writeEnvelope(BOUNDARY, messages));
        expect(copies(readInPieces(bytes, sizes))).to.deep.equal(copies(messages));
        expect(copies(readInPieces(bytes, [1]))).to.deep.equal(copies(messages));
      }),
      { numRuns: 150 },
    );
  });

  it('E5: bodies are views of what was read, not copies', () => {
    const bytes = Buffer.concat(writeEnvelope(BOUNDARY, [sampleMessage(1)]));
    const [read] = readEnvelope(CONTENT_TYPE, bytes);
    expect(read?.body.buffer).to.equal(bytes.buffer);
  });

  it('messages given out by the stream reader stay as they are while more is fed', () => {
    const messages = Array.from({ length: 40 }, (_, index) => sampleMessage(index + 1, Buffer.alloc(5000, index)));
    const bytes = Buffer.concat(writeEnvelope(BOUNDARY, messages));
    expect(copies(readInPieces(bytes, [1448]))).to.deep.equal(copies(messages));
  });

  it('a large body is handed out as it is, small ones are gathered', () => {
    const large = sampleMessage(2, Buffer.alloc(200_000, 1));
    const chunks = writeEnvelope(BOUNDARY, [sampleMessage(1), large, sampleMessage(3)]);
    expect(chunks).to.have.length(3);
    expect(chunks[1]?.buffer).to.equal(large.body.buffer);
  });

  it('envelopeBytesOf is not less than what a message takes', () => {
    const one = sampleMessage(1, Buffer.alloc(LIMITS.bodyBytes));
    const size = (messages: RawMessage[]) => Buffer.concat(writeEnvelope(BOUNDARY, messages)).length;
    const taken = size([one, sampleMessage(2)]) - size([sampleMessage(2)]);
    expect(taken).to.be.at.most(envelopeBytesOf(one.headerBytes.length, one.body.length));
  });

  it('a stream of pieces gives messages one by one, a refusal ends it', async () => {
    const bytes = Buffer.concat(writeEnvelope(BOUNDARY, [sampleMessage(1), sampleMessage(2)]));
    const seen: string[] = [];
    for await (const { id } of readEnvelopeStream(CONTENT_TYPE, [bytes.subarray(0, 700), bytes.subarray(700)]))
      seen.push(id);
    expect(seen).to.deep.equal([sampleId(1), sampleId(2)]);
    const cut = async () => {
      for await (const _ of readEnvelopeStream(CONTENT_TYPE, [bytes.subarray(0, 700)])) seen.pop();
    };
    expect(await codeOfAsync(cut)).to.equal('BH-E-MIME-TRUNCATED');
  });
});

describe('T-A5: cut at every byte', () => {
  const good = folder('good/envelope').filter(({ bytes }) => bytes.length < 8000);
  for (const { name, bytes } of good)
    it(name, () => {
      const whole = bytes.length - (bytes.at(-1) === 0x0a ? 2 : 0);
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.subarray(0, length);
        const expected = length === whole ? undefined : 'BH-E-MIME-TRUNCATED';
        expect(
          codeOf(() => readEnvelope(CONTENT_TYPE, cut)),
          `buffer, ${length}`,
        ).to.equal(expected);
        expect(
          codeOf(() => readInPieces(cut, [97])),
          `stream, ${length}`,
        ).to.equal(expected);
      }
    });

  for (const { name, bytes } of folder('good/reply'))
    it(name, () => {
      for (let length = 0; length < bytes.length - 2; length++)
        expect(
          codeOf(() => readReply(CONTENT_TYPE, bytes.subarray(0, length))),
          `${length}`,
        ).to.equal('BH-E-MIME-TRUNCATED');
    });
});

describe('T-A5: the stream reader refuses what the buffer reader refuses, with the same code', () => {
  for (const { name, bytes } of folder('bad/envelope'))
    it(name, () => {
      const code = name.slice(0, name.indexOf('.'));
      for (const sizes of [[1], [7], [1000], [100_000]])
        expect(
          codeOf(() => readInPieces(bytes, sizes)),
          `pieces of ${sizes}`,
        ).to.equal(code);
    });

  it('and so of anything', () => {
    const piece = fc.constantFrom(
      `--${BOUNDARY}`,
      `\r\n--${BOUNDARY}`,
      '--',
      '\r\n',
      '\r\n\r\n',
      '\r',
      '\n',
      ' ',
      'x',
      '\0',
      `Content-ID: <header.${sampleId(1)}>`,
      `Content-ID: <body.${sampleId(1)}>`,
      'Content-Type: application/xml',
      'Content-Length: 1',
      'Content-Length: 0',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 50 }), (pieces, size) => {
        const bytes = Buffer.from(`--${BOUNDARY}\r\n${pieces.join('')}`);
        const code = codeOf(() => readEnvelope(CONTENT_TYPE, bytes));
        expect(codeOf(() => readInPieces(bytes, [size]))).to.equal(code);
        if (code !== undefined) expect(code).to.match(/^BH-E-MIME-/);
      }),
      { numRuns: 2000 },
    );
  });

  it('one changed byte is accepted or refused with a code', () => {
    const bytes = Buffer.concat(writeEnvelope(BOUNDARY, [sampleMessage(1)]));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const changed = Buffer.from(bytes);
        changed[at] = value;
        const code = codeOf(() => readEnvelope(CONTENT_TYPE, changed).map(toMessage));
        expect(codeOf(() => readInPieces(changed, [13]).map(toMessage))).to.equal(code);
      }),
      { numRuns: 500 },
    );
  });
});

describe('T-A5: boundaries', () => {
  it('are 48 hex digits from the dice', () => {
    expect(newBoundary(fixedRandom)).to.equal(BOUNDARY);
    expect(contentTypeOf(BOUNDARY)).to.equal(CONTENT_TYPE);
  });

  const good: readonly (readonly [string, string])[] = [
    [CONTENT_TYPE, BOUNDARY],
    ['multipart/related; boundary=a', 'a'],
    ['Multipart/Related;BOUNDARY="a b";type="Application/XML"', 'a b'],
    [`multipart/related; boundary=${'b'.repeat(70)}`, 'b'.repeat(70)],
    [`multipart/related; boundary="'()+_,-./:=?"`, `'()+_,-./:=?`],
  ];
  for (const [contentType, boundary] of good) it(contentType, () => expect(boundaryOf(contentType)).to.equal(boundary));

  const bad: readonly (readonly [string | undefined, 'BH-E-MIME-TYPE' | 'BH-E-MIME-BOUNDARY'])[] = [
    [undefined, 'BH-E-MIME-TYPE'],
    ['', 'BH-E-MIME-TYPE'],
    ['application/xml', 'BH-E-MIME-TYPE'],
    ['multipart/form-data; boundary=a', 'BH-E-MIME-TYPE'],
    ['multipart/relatedly; boundary=a', 'BH-E-MIME-TYPE'],
    ['multipart/related; type="text/html"; boundary=a', 'BH-E-MIME-TYPE'],
    ['multipart/related; boundary', 'BH-E-MIME-TYPE'],
    ['multipart/related; boundary="a', 'BH-E-MIME-TYPE'],
    ['multipart/related, boundary=a', 'BH-E-MIME-TYPE'],
    [`multipart/related; boundary=a; x="${'y'.repeat(600)}"`, 'BH-E-MIME-TYPE'],
    ['multipart/related', 'BH-E-MIME-BOUNDARY'],
    ['multipart/related; boundary=""', 'BH-E-MIME-BOUNDARY'],
    ['multipart/related; boundary=a; boundary=b', 'BH-E-MIME-BOUNDARY'],
    ['multipart/related; boundary="a "', 'BH-E-MIME-BOUNDARY'],
    ['multipart/related; boundary="a[b"', 'BH-E-MIME-BOUNDARY'],
    [`multipart/related; boundary=${'b'.repeat(71)}`, 'BH-E-MIME-BOUNDARY'],
    ['multipart/related; boundary=bé', 'BH-E-MIME-BOUNDARY'],
  ];
  for (const [contentType, code] of bad)
    it(`${code}: ${contentType?.slice(0, 60)}`, () => expectCode(() => boundaryOf(contentType), code));
});

describe('E4: limits of envelopes', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      id: sampleId(index + 1),
      headerBytes: Buffer.from('h'),
      body: Buffer.from('b'),
    }));

  it('messages', () => {
    expect(readEnvelope(CONTENT_TYPE, Buffer.concat(writeEnvelope(BOUNDARY, many(LIMITS.messages))))).to.have.length(
      LIMITS.messages,
    );
    expectCode(() => writeEnvelope(BOUNDARY, many(LIMITS.messages + 1)), 'BH-E-LIMIT-MESSAGES');
    expectCode(() => writeReply(BOUNDARY, { verdicts: [] }, many(LIMITS.messages + 1)), 'BH-E-LIMIT-MESSAGES');
  });

  it('header and body', () => {
    const one = many(1)[0]!;
    const largest = { ...one, headerBytes: Buffer.alloc(LIMITS.headerBytes), body: Buffer.alloc(LIMITS.bodyBytes) };
    expect(readEnvelope(CONTENT_TYPE, Buffer.concat(writeEnvelope(BOUNDARY, [largest])))).to.have.length(1);
    expectCode(
      () => writeEnvelope(BOUNDARY, [{ ...one, headerBytes: Buffer.alloc(LIMITS.headerBytes + 1) }]),
      'BH-E-LIMIT-HEADER',
    );
    expectCode(
      () => writeEnvelope(BOUNDARY, [{ ...one, body: Buffer.alloc(LIMITS.bodyBytes + 1) }]),
      'BH-E-LIMIT-BODY',
    );
  });

  it('a body without a length is refused as soon as it is too long, not at its end', () => {
    const start = `--${BOUNDARY}\r\nContent-ID: <header.${sampleId(1)}>\r\nContent-Type: application/xml\r\n\r\n`;
    const reader = new EnvelopeReader(CONTENT_TYPE);
    reader.push(Buffer.from(start));
    reader.push(Buffer.alloc(LIMITS.headerBytes));
    expectCode(() => reader.push(Buffer.alloc(1000)), 'BH-E-LIMIT-HEADER');
  });

  it('the envelope as a whole', () => {
    expectCode(() => readEnvelope(CONTENT_TYPE, Buffer.alloc(LIMITS.envelopeBytes + 1)), 'BH-E-LIMIT-ENVELOPE');
    expectCode(() => readReply(CONTENT_TYPE, Buffer.alloc(LIMITS.envelopeBytes + 1)), 'BH-E-LIMIT-ENVELOPE');
    const reader = new EnvelopeReader(CONTENT_TYPE);
    expectCode(() => {
      for (let i = 0; i < 20; i++)
        reader.push(
          Buffer.concat(writeEnvelope(BOUNDARY, [sampleMessage(i + 1, Buffer.alloc(1_000_000))])).subarray(
            i === 0 ? 0 : 50,
          ),
        );
    }, 'BH-E-MIME-FORM');
  });

  it('a megabyte byte by byte takes time in proportion to its length', function () {
    this.timeout(10_000);
    const bytes = Buffer.concat(writeEnvelope(BOUNDARY, [sampleMessage(1, Buffer.alloc(500_000))]));
    const start = performance.now();
    expect(readInPieces(bytes, [1])).to.have.length(1);
    expect(performance.now() - start).to.be.below(5000);
  });
});

describe('toMessage', () => {
  it('reads the header and leaves header bytes and body as they came', () => {
    const raw = sampleMessage(3, Buffer.from('not xml at all'));
    const read = toMessage(raw);
    expect(read.header.sequence).to.equal(3);
    expect(read.headerBytes).to.equal(raw.headerBytes);
    expect(read.body).to.equal(raw.body);
  });

  it('refuses a header that names another message than its part', () => {
    expectCode(() => toMessage({ ...sampleMessage(1), id: sampleId(2) }), 'BH-E-MIME-PART');
  });
});
