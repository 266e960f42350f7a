import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { readCanonicalHeader } from '../src/header/canonical-header.ts';
import { parseHeader } from '../src/header/read-header.ts';
import { readHeader, writeHeader } from '../src/index.ts';
import { header } from './arbitraries.ts';
import { codeOf } from './codes.ts';
import { sampleHeader } from './samples.ts';

/** Whatever the expression takes, the parser takes with the same result. Says whether it was taken. */
function agree(bytes: Buffer): boolean {
  const read = readCanonicalHeader(bytes);
  if (read !== undefined) expect(parseHeader(bytes), bytes.toString()).to.deep.equal(read);
  return read !== undefined;
}

const PIECES = [
  '',
  '<',
  '>',
  '/',
  '/>',
  '"',
  "'",
  '=',
  '="',
  ' ',
  '  ',
  '&',
  '&amp;',
  '&#65;',
  '\n',
  '\t',
  '\0',
  'x',
  '<!--',
  '<!DOCTYPE a>',
  '<?x?>',
  ']]>',
  '<a/>',
  '</header>',
  '<header ',
  ' lane="4"',
  ' __proto__="1"',
  '<__proto__/>',
  'é',
  '\uffff',
  '\ufeff',
  ':',
  '</time>',
];

describe('the canonical form is read by one expression', () => {
  it('with the same result as the parser, for every header', () => {
    fc.assert(
      fc.property(header, (made) => void agree(writeHeader(made))),
      { numRuns: 300 },
    );
  });

  it('with the same result as the parser, or not at all, after any edits', () => {
    const text = writeHeader(sampleHeader({ routing: [{ id: 'a', in: 1, out: 2, left: 3 }] })).toString();
    const rough = fc.record({ at: fc.nat(text.length), cut: fc.nat(12), put: fc.constantFrom(...PIECES) });
    const fine = fc.record({
      at: fc.nat(text.length),
      cut: fc.nat(1),
      put: fc.constantFrom('0', '1', '8', '9', 'a', '-'),
    });
    const edit = fc.oneof(rough, { weight: 2, arbitrary: fine });
    let taken = 0;
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const changed = edits.reduce((now, { at, cut, put }) => now.slice(0, at) + put + now.slice(at + cut), text);
        if (agree(Buffer.from(changed))) taken++;
      }),
      { numRuns: 5000 },
    );
    expect(taken, 'some edits leave a canonical form').to.be.greaterThan(100);
  });

  it('with the same result as the parser, or not at all, for every golden header', () => {
    for (const side of ['good', 'bad']) {
      const folder = new URL(`../fixtures/${side}/header/`, import.meta.url);
      for (const name of readdirSync(folder)) {
        const bytes = readFileSync(new URL(name, folder));
        if (readCanonicalHeader(bytes) !== undefined) agree(bytes);
      }
    }
  });

  it('so that the usual header never needs the parser', () => {
    expect(readCanonicalHeader(writeHeader(sampleHeader()))).not.to.equal(undefined);
  });

  it('and what it leaves to the parser is read all the same', () => {
    const made = sampleHeader({ eventKey: 'host/a & b' });
    expect(readCanonicalHeader(writeHeader(made))).to.equal(undefined);
    expect(readHeader(writeHeader(made))).to.deep.equal(made);
  });

  it('refuses bytes that are not UTF-8, as the parser does', () => {
    const bytes = Buffer.from(
      writeHeader(sampleHeader({ eventKey: 'host/caf' }))
        .toString()
        .replace('caf', 'caf\xe9'),
      'latin1',
    );
    expect(readCanonicalHeader(bytes)).to.equal(undefined);
    expect(codeOf(() => readHeader(bytes))).to.equal('BH-E-XML-ENCODING');
  });
});
