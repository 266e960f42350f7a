import { BackhaulError } from '@backhaul/runtime';
import { expect } from 'chai';
import fc from 'fast-check';
import { LIMITS, readContent, readHeader } from '../src/index.ts';
import { parseXml } from '../src/xml/parse-xml.ts';
import { codeOf, expectCode } from './codes.ts';

const parse = (text: string) => parseXml(Buffer.from(text));

/** Milliseconds of this process for an action that may be refused. */
function cost(action: () => unknown): number {
  const start = process.cpuUsage();
  codeOf(action);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

describe('T-A1: no declaration is ever read', () => {
  it('wherever it stands, whatever its case', () => {
    for (const text of [
      '<!DOCTYPE a><a/>',
      '<a><!DOCTYPE b></a>',
      '<a/><!doctype a>',
      '<a b="<!ENTITY"/>',
      '<!ENTITY a "b"><a/>',
      '<!ELEMENT a ANY><a/>',
    ])
      expectCode(() => parse(text), 'BH-E-XML-DTD');
  });

  it('a million references cost no more than a million characters', () => {
    const references = `<a>${'&#65;'.repeat(200_000)}</a>`;
    expect(parse(references).text).to.have.length(200_000);
    expect(cost(() => parse(references))).to.be.below(1000);
  });

  it('a bomb in a DOCTYPE costs nothing', () => {
    const bomb = Buffer.from(
      `<!DOCTYPE a [<!ENTITY a "${'a'.repeat(500_000)}">]><content>${'&a;'.repeat(100_000)}</content>`,
    );
    expect(cost(() => readContent(bomb))).to.be.below(50);
  });
});

describe('T-A2: depth, attributes and names have limits', () => {
  it('depth: the limit passes, one more does not, a million neither', () => {
    const nested = (depth: number) => `${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}`;
    expect(codeOf(() => parse(nested(LIMITS.depth)))).to.equal(undefined);
    for (const depth of [LIMITS.depth + 1, 1000, 1_000_000]) expectCode(() => parse(nested(depth)), 'BH-E-LIMIT-DEPTH');
    expectCode(() => parse(`${'<a>'.repeat(LIMITS.depth)}<a/>`), 'BH-E-LIMIT-DEPTH');
  });

  it('attributes: likewise', () => {
    const many = (count: number) => `<a${Array.from({ length: count }, (_, i) => ` a${i}="x"`).join('')}/>`;
    expect(codeOf(() => parse(many(LIMITS.attributes)))).to.equal(undefined);
    for (const count of [LIMITS.attributes + 1, 100_000]) expectCode(() => parse(many(count)), 'BH-E-LIMIT-ATTRIBUTES');
  });

  it('names: likewise, of elements, end tags and attributes', () => {
    const name = 'n'.repeat(LIMITS.nameBytes);
    expect(codeOf(() => parse(`<${name} ${name}=""></${name}>`))).to.equal(undefined);
    for (const text of [`<${name}n/>`, `<a></${name}n>`, `<a ${name}n=""/>`, `<${'n'.repeat(10_000_000)}`])
      expectCode(() => parse(text), 'BH-E-LIMIT-NAME');
  });

  it('every document of a generator is accepted or refused with a code', () => {
    const piece = fc.constantFrom(
      '<a>',
      '</a>',
      '<a/>',
      ' b="c"',
      '<',
      '>',
      '&',
      '&lt;',
      '"',
      'x',
      '<!--',
      '<?',
      '<![CDATA[',
      '\0',
      '\ud800',
      ']]>',
      '<header',
      '</header>',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        codeOf(() => parse(pieces.join('')));
        codeOf(() => readHeader(Buffer.from(`${pieces.join('')}</header>`)));
      }),
      { numRuns: 1000 },
    );
  });

  it('any bytes are accepted or refused with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        codeOf(() => parseXml(bytes));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('T-A3: names that could reach a prototype', () => {
  it('are refused everywhere, and no prototype changes', () => {
    const before = Object.getOwnPropertyNames(Object.prototype);
    for (const name of ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'valueOf', '__defineGetter__'])
      for (const text of [
        `<${name}/>`,
        `<a><${name}>x</${name}></a>`,
        `<a ${name}="x"/>`,
        `<a ${name}.polluted="x"/>`,
      ]) {
        const code = codeOf(() => parse(text));
        if (!text.includes('.polluted')) expect(code, text).to.equal('BH-E-NAME');
      }
    expect(Object.getOwnPropertyNames(Object.prototype)).to.deep.equal(before);
    expect(Object.hasOwn(Object.prototype, 'polluted')).to.equal(false);
  });
});

describe('T-A33: time grows with the length only', () => {
  const worst: readonly (readonly [string, string])[] = [
    ['open tags', '<a '.repeat(300_000)],
    ['quotes', `<a b="${"'".repeat(1_000_000)}`],
    ['references', `<a>${'&#1'.repeat(300_000)}`],
    ['ends of sections', `<a>${']'.repeat(1_000_000)}`],
    ['blanks', `<a${' '.repeat(1_000_000)}`],
    ['a long declaration', `<?xml version="1.0"${' '.repeat(1_000_000)}?><a/>`],
    ['text', `<a>${'x'.repeat(1_000_000)}</a>`],
    ['many elements', `<a>${'<b/>'.repeat(50_000)}</a>`],
    ['many siblings with text', `<a>${'<b>x</b>y'.repeat(30_000)}</a>`],
  ];
  for (const [what, text] of worst)
    it(what, () => {
      expect(cost(() => parse(text))).to.be.below(1500);
    });
});

describe('a refusal', () => {
  it('says what and where, in few words', () => {
    try {
      parse(`<a b="1" b="${'x'.repeat(100_000)}"/>`);
      expect.fail('accepted');
    } catch (thrown) {
      expect(thrown).to.be.instanceOf(BackhaulError);
      expect((thrown as BackhaulError).message.length).to.be.below(300);
    }
  });
});
