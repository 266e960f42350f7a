import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';

/** T-A33: every regular expression of this package against 100 kB that it nearly matches. */
const SOURCES = new URL('../src/', import.meta.url);
const LITERAL =
  /(?:^|[=(,:&|!?\s])\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])*)\/([a-z]*)(?=[,;).\s\]])/gm;

function expressions(): { file: string; expression: RegExp }[] {
  return readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const code = readFileSync(new URL(file, SOURCES), 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$/gm, '');
      return [...code.matchAll(LITERAL)].map(([, body, flags]) => ({
        file,
        expression: new RegExp(body as string, flags),
      }));
    });
}

const LENGTH = 100_000;
const UNITS = [
  'a',
  '0',
  ' ',
  '-',
  '.',
  '/',
  '/a',
  'a.',
  '<',
  '&',
  '&#',
  '&#1',
  ';',
  '=',
  '"',
  'a="',
  '; a=b',
  '\r\n',
  'a: b\r\n',
  '\0',
  '\u00e9',
  '+',
  'A',
  '=a',
];
const ENDS = ['', '!', '\n', '\0', '"'];
const PREFIXES = ['', '/', '&#', '<?xml version="1.0"', 'multipart/related', 'application/xml', '<header.', 'a:'];

function slowest(expression: RegExp): number {
  let most = 0;
  for (const prefix of PREFIXES)
    for (const unit of UNITS)
      for (const end of ENDS) {
        const text = prefix + unit.repeat(LENGTH / unit.length) + end;
        expression.lastIndex = 0;
        const start = process.cpuUsage();
        expression.test(text);
        const { user } = process.cpuUsage(start);
        most = Math.max(most, user / 1000);
      }
  return most;
}

describe('T-A33: regular expressions', function () {
  this.timeout(30_000);
  const found = expressions();

  it('are found', () => expect(found.length).to.be.greaterThan(20));

  for (const { file, expression } of found)
    it(`${file}: ${String(expression).slice(0, 60)}`, () => {
      const first = slowest(expression);
      // A pause of the machine is not the expression's fault: it has to be slow three times.
      expect(first < 10 ? first : Math.min(first, slowest(expression), slowest(expression))).to.be.below(10);
    });
});
