import { expect } from 'chai';
import fc from 'fast-check';
import {
  appendHop,
  type Content,
  type DataElement,
  readContent,
  readHeader,
  readHoldings,
  readReceipts,
  readResponse,
  readStatus,
  writeContent,
  writeHeader,
  writeHoldings,
  writeReceipts,
  writeResponse,
  writeStatus,
} from '../src/index.ts';
import { content, header, holdings, hop, mark, statusNode, tombstone, xmlText } from './arbitraries.ts';
import { codeOf } from './codes.ts';
import { sampleAlarm, sampleHeader } from './samples.ts';

const runs = { numRuns: 300 };

describe('write, then read, is identity', () => {
  it('T-A4: of every header', () => {
    fc.assert(
      fc.property(header, (made) => void expect(readHeader(writeHeader(made))).to.deep.equal(made)),
      runs,
    );
  });

  it('T-A4: of every content', () => {
    fc.assert(
      fc.property(content, (made) => void expect(readContent(writeContent(made))).to.deep.equal(made)),
      runs,
    );
  });

  it('T-A4: of every list of tombstones, through the body that carries it', () => {
    fc.assert(
      fc.property(fc.array(tombstone, { maxLength: 5 }), (made) => {
        expect(readReceipts(readContent(writeContent(writeReceipts(made))))).to.deep.equal(made);
      }),
      { numRuns: 100 },
    );
  });

  it('T-A4: of all holdings, through the body that carries them', () => {
    fc.assert(
      fc.property(holdings, (made) => {
        expect(readHoldings(readContent(writeContent(writeHoldings(made))))).to.deep.equal(made);
      }),
      { numRuns: 100 },
    );
  });

  it('T-A4: of every mark', () => {
    fc.assert(
      fc.property(fc.array(mark, { minLength: 1, maxLength: 5 }), (marks) => {
        expect(readResponse(writeResponse({ verdicts: [], marks })).marks).to.deep.equal(marks);
      }),
      { numRuns: 100 },
    );
  });

  it('T-A4: of every status tree, through the body that carries it', () => {
    fc.assert(
      fc.property(statusNode, (made) => {
        expect(readStatus(readContent(writeContent(writeStatus(5, made))))).to.deep.equal({ madeAt: 5, root: made });
      }),
      { numRuns: 100 },
    );
  });

  it('E2: appending a hop equals writing the header with one hop more', () => {
    fc.assert(
      fc.property(header, hop, (made, next) => {
        const spliced = appendHop(writeHeader(made), next);
        expect(spliced.equals(writeHeader({ ...made, routing: [...made.routing, next] }))).to.equal(true);
      }),
      { numRuns: 100 },
    );
  });

  it('of text of 100,000 characters that all need escaping', () => {
    const alarm = sampleAlarm({ text: ']]>&<>\r\n\t"'.repeat(10_000) });
    expect(readContent(writeContent(alarm))).to.deep.equal(alarm);
  });
});

describe('what XML cannot carry is refused when it is written', () => {
  const forbidden = ['\0', '\b', '\x0b', '\x1f', '\ufffe', '\uffff', '\ud800', 'a\udc00b', '\udc00\ud800'];
  const places: readonly (readonly [string, (text: string) => Content])[] = [
    ['text', (text) => sampleAlarm({ text })],
    ['attribute', (text) => sampleAlarm({ alarmId: text })],
    ['data', (text) => sampleAlarm({ data: dataOf(text) })],
    ['response text', (text) => ({ type: 'messageResponse', request: sampleHeader().id, status: 'done', text })],
  ];
  const dataOf = (text: string): DataElement => ({ mimeType: 'text/plain', encoding: 'none', text });

  for (const [place, make] of places)
    it(`T-A4: BH-E-CHAR in ${place}`, () => {
      for (const text of forbidden)
        expect(
          codeOf(() => writeContent(make(text))),
          JSON.stringify(text),
        ).to.equal('BH-E-CHAR');
    });

  it('T-A4: BH-E-CHAR in the event key', () => {
    for (const eventKey of forbidden)
      expect(codeOf(() => writeHeader(sampleHeader({ eventKey })))).to.equal('BH-E-CHAR');
  });

  it('any string is either written and read back, or refused with BH-E-CHAR', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
        ),
        (text) => {
          const alarm = sampleAlarm({ text });
          const code = codeOf(() => writeContent(alarm));
          if (code === undefined) expect(readContent(writeContent(alarm))).to.deep.equal(alarm);
          else expect(code).to.equal('BH-E-CHAR');
        },
      ),
      runs,
    );
  });

  it('the samples of nasty text hold what they should', () => {
    const seen = fc.sample(xmlText({ minLength: 1 }), { numRuns: 300, seed: 1 }).join('');
    for (const part of [']]>', '-->', '\r', '<!DOCTYPE', '&#0;']) expect(seen).to.include(part);
  });
});
