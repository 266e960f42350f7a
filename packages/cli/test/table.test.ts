import { expect } from 'chai';
import fc from 'fast-check';
import { type Column, renderTable } from '../src/table.ts';
import { columnsOf, printable, printableLines } from '../src/terminal-text.ts';

const COLUMNS: readonly Column<{ id: string; text?: string }>[] = [
  { title: 'ID', value: (row) => row.id },
  { title: 'TEXT', value: (row) => row.text, flexible: true },
];

describe('Tables', () => {
  it('align their columns, whatever the characters take', () => {
    const rows = [
      { id: 'a', text: '日本' },
      { id: 'bbb', text: 'x' },
    ];
    expect(renderTable(rows, COLUMNS)).to.equal(['ID   TEXT', 'a    日本', 'bbb  x'].join('\n'));
  });

  it('show what is missing, and an empty table', () => {
    expect(renderTable([{ id: 'a' }], COLUMNS)).to.equal('ID  TEXT\na   -');
    expect(renderTable([], COLUMNS)).to.equal('(none)');
  });

  it('cut the flexible column, never the others, when the terminal is narrow', () => {
    const lines = renderTable([{ id: 'c7k2m9qx1.p1', text: 'a long text that does not fit' }], COLUMNS, 24).split('\n');
    expect(lines[1]).to.equal('c7k2m9qx1.p1  a long te…');
  });

  it('cut nothing without a width', () => {
    const text = 'x'.repeat(500);
    expect(renderTable([{ id: 'a', text }], COLUMNS)).to.include(text);
  });

  it('print terminal commands from elsewhere as text', () => {
    const rows = [{ id: '\u001b[2J', text: 'a\r\nb\u202ec\u009b31m\u0007' }];
    expect(renderTable(rows, COLUMNS)).to.equal(
      ['ID          TEXT', '\\u{1b}[2J  a\\u{d}\\u{a}b\\u{202e}c\\u{9b}31m\\u{7}']
        .join('\n')
        .replace('ID          TEXT', 'ID         TEXT'),
    );
  });

  it('hold no control character for any input', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ id: fc.string({ unit: 'binary' }), text: fc.string({ unit: 'binary' }) })),
        (rows) => {
          const printed = renderTable(rows, COLUMNS, 60);
          expect(printed).to.not.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
          expect(printed.split('\n')).to.have.length(rows.length === 0 ? 1 : rows.length + 1);
        },
      ),
    );
  });

  it('stay within the width when everything may be cut', () => {
    const columns = [{ title: 'A', value: (row: string) => row, flexible: true }];
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (rows) => {
        for (const line of renderTable(rows, columns, 20).split('\n')) expect(columnsOf(line)).to.be.at.most(20);
      }),
    );
  });
});

describe('Printable text', () => {
  it('keeps ordinary letters of any script', () => {
    for (const text of ['Grüße', 'Ελλάδα', '日本語', 'naïve café', '👍']) expect(printable(text)).to.equal(text);
  });

  it('keeps line ends only where lines are wanted', () => {
    expect(printable('a\nb')).to.equal('a\\u{a}b');
    expect(printableLines('a\n\tb\u001b')).to.equal('a\n  b\\u{1b}');
  });
});
