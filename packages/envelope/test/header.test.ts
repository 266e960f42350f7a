import { expect } from 'chai';
import { appendHop, HOP_BYTES, LIMITS, readHeader, writeHeader } from '../src/index.ts';
import { codeOf, expectCode } from './codes.ts';
import { fullHeader, PROXY, sampleHeader } from './samples.ts';

const hop = { id: PROXY, in: 1_795_230_000_000, out: 1_795_230_000_001, left: 1_000_000 };

describe('a header', () => {
  it('is written in the one order of its parts', () => {
    const names = [
      ...writeHeader(fullHeader())
        .toString()
        .matchAll(/<(\w+)/g),
    ].map(([, name]) => name);
    expect(names).to.deep.equal([
      'header',
      'source',
      'classification',
      'time',
      'qos',
      'destination',
      'trace',
      'routing',
      'routing',
    ]);
  });

  it('E2: keeps its bytes when a hop is appended', () => {
    const before = writeHeader(fullHeader());
    const after = appendHop(before, hop);
    const kept = before.length - '</header>'.length;
    expect(after.subarray(0, kept).equals(before.subarray(0, kept))).to.equal(true);
    expect(readHeader(after).routing.at(-1)).to.deep.equal(hop);
  });

  it('E4: no routing element is longer than what is kept for one', () => {
    const longest = { id: 'a'.repeat(64), in: 8.64e15, out: 8.64e15, left: 1e13 };
    const before = writeHeader(sampleHeader());
    expect(appendHop(before, longest).length - before.length).to.be.at.most(HOP_BYTES);
  });

  it('E4: has room for all the hops it may pass, however large it was made', () => {
    let largest = sampleHeader();
    for (let length = 512; length <= LIMITS.destinations; length++) {
      const ids = Array.from({ length }, (_, index) => `c0a1b2c3d.p${index + 100}`);
      const next = sampleHeader({ locator: 'destination', destination: { kind: 'list', ids } });
      if (codeOf(() => writeHeader(next)) !== undefined) break;
      largest = next;
    }
    let bytes = writeHeader(largest);
    expect(bytes.length).to.be.within(
      LIMITS.headerBytes - LIMITS.hops * HOP_BYTES - 20,
      LIMITS.headerBytes - LIMITS.hops * HOP_BYTES,
    );
    for (let passed = 0; passed < LIMITS.hops; passed++) bytes = appendHop(bytes, hop);
    expect(readHeader(bytes).routing).to.have.length(LIMITS.hops);
  });

  it('E4: larger than its limit is refused by writer and splicer', () => {
    const ids = Array.from(
      { length: LIMITS.destinations },
      (_, index) => `c0a1b2c3d.p${index + 1000}-of-a-very-long-site`,
    );
    expectCode(
      () => writeHeader(sampleHeader({ locator: 'destination', destination: { kind: 'list', ids } })),
      'BH-E-LIMIT-HEADER',
    );
    const full = Buffer.from(
      writeHeader(sampleHeader())
        .toString()
        .replace('<time ', `${' '.repeat(LIMITS.headerBytes - 400)}<time `),
    );
    expectCode(() => appendHop(full, hop), 'BH-E-LIMIT-HEADER');
  });

  it('is refused by the splicer when it does not end as it must', () => {
    for (const text of ['', '</header', '<header/>', `${writeHeader(sampleHeader())} `])
      expectCode(() => appendHop(Buffer.from(text), hop), 'BH-E-XML-FORM');
  });

  it('is refused by the writer where the reader would refuse it', () => {
    const bad = [
      [{ lane: 2 }, 'BH-E-XML-VALUE'],
      [{ id: 'short' }, 'BH-E-NAME'],
      [{ source: '__proto__' }, 'BH-E-NAME'],
      [{ class: 'With Blanks' }, 'BH-E-NAME'],
      [{ sequence: 0 }, 'BH-E-XML-VALUE'],
      [{ sequence: 1.5 }, 'BH-E-XML-VALUE'],
      [{ sequence: Number.NaN }, 'BH-E-XML-VALUE'],
      [{ madeAt: -1 }, 'BH-E-XML-VALUE'],
      [{ eventKey: '' }, 'BH-E-XML-VALUE'],
      [{ eventKey: 'x'.repeat(513) }, 'BH-E-XML-VALUE'],
      [{ qos: { precedence: 4, persistent: true, supersedeKey: '' } }, 'BH-E-XML-VALUE'],
      [{ qos: { precedence: 4, persistent: true, supersedeKey: 'k'.repeat(65) } }, 'BH-E-XML-VALUE'],
      [{ version: '2.0' }, 'BH-E-VERSION'],
      [{ destination: { kind: 'group', name: 'site-a' } }, 'BH-E-XML-VALUE'],
      [{ locator: 'destination', destination: { kind: 'list', ids: [] } }, 'BH-E-XML-VALUE'],
      [{ routing: Array.from({ length: LIMITS.hops + 1 }, () => hop) }, 'BH-E-XML-VALUE'],
    ] as const;
    for (const [changes, code] of bad)
      expect(
        codeOf(() => writeHeader(sampleHeader(changes as object))),
        JSON.stringify(changes),
      ).to.equal(code);
  });
});

describe('versions', () => {
  const text = writeHeader(sampleHeader()).toString();
  const more = text.replace('<time ', '<time zone="UTC" ').replace('lane="4"', 'lane="4" region="eu"');

  it('a newer minor version may bring attributes, which are ignored and kept in the bytes', () => {
    const newer = more.replace('version="1.0"', 'version="1.1"');
    expect(readHeader(Buffer.from(newer))).to.deep.equal(sampleHeader({ version: '1.1' }));
    expect(appendHop(Buffer.from(newer), hop).toString()).to.include('region="eu"');
  });

  it('our own version may not', () => {
    expectCode(() => readHeader(Buffer.from(more)), 'BH-E-XML-ELEMENT');
  });

  it('names of prototypes are refused in any version', () => {
    const newer = text.replace('version="1.0"', 'version="1.1"').replace('<time ', '<time __proto__="x" ');
    expectCode(() => readHeader(Buffer.from(newer)), 'BH-E-NAME');
  });
});
