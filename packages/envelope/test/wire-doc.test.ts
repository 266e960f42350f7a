import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isErrorCode } from '@backhaul/runtime';
import { expect } from 'chai';
import { CONTENT_ELEMENTS } from '../src/content/content-vocabulary.ts';
import { HEADER_ELEMENTS } from '../src/header/header-vocabulary.ts';
import {
  checkContent,
  HOP_BYTES,
  LIMITS,
  RANGES_PER_HOLDINGS,
  RECEIPTS_PER_MESSAGE,
  readContent,
  readEnvelope,
  toMessage,
  WIRE_VERSION,
} from '../src/index.ts';
import { classTable, limitTable } from './wire-tables.ts';

/** docs/wire.md says what the code does. */
const PACKAGE = new URL('../', import.meta.url);
const page = readFileSync(new URL('../../docs/wire.md', PACKAGE), 'utf8');

function block(name: string): string {
  const [, found] = new RegExp(`<!-- ${name} -->\\n([^]*?)\\n<!-- /${name} -->`).exec(page) ?? [];
  return found ?? '';
}

function fence(marker: string): string {
  const [, found] = new RegExp(`<!-- ${marker} -->\\n\`\`\`\\w+\\n([^]*?)\`\`\``).exec(page) ?? [];
  return found ?? '';
}

/** Cells of the rows of the table that begins with the given heading. */
function table(heading: string): string[][] {
  const [, rows = ''] =
    new RegExp(`^\\| ${heading} \\|[^\\n]*\\n\\|[-|]+\\n((?:\\|[^\\n]*\\n)+)`, 'm').exec(page) ?? [];
  return rows
    .trimEnd()
    .split('\n')
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const words = (cell: string) =>
  [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, text]) => (text as string).split(/[\s,]+/));

describe('docs/wire.md', () => {
  it('has the table of limits', () => expect(block('limits')).to.equal(limitTable()));
  it('has the table of classes', () => expect(block('classes')).to.equal(classTable()));

  it('has every element and attribute of a header, in order', () => {
    const found = new Map<string, string[]>();
    let element = '';
    for (const [first = '', attributes = ''] of table('element \\| attribute')) {
      element = words(first)[0] ?? element;
      found.set(element, [...(found.get(element) ?? []), ...words(attributes)]);
    }
    expect(Object.fromEntries(found)).to.deep.equal(HEADER_ELEMENTS);
  });

  it('has every content type and its attributes, in order', () => {
    const rows = table('element \\| attributes').map(([element = '', attributes = '']) => [
      words(element)[0],
      words(attributes).map((name) => name.replace('?', '')),
    ]);
    expect({ content: [], ...Object.fromEntries(rows) }).to.deep.equal(CONTENT_ELEMENTS);
  });

  for (const [, path] of page.matchAll(/<!-- example: (\S+) -->/g))
    it(`shows ${path} as it is`, () => {
      const golden = readFileSync(new URL(`fixtures/good/${path}`, PACKAGE), 'utf8').replaceAll('\r\n', '\n');
      expect(fence(`example: ${path}`)).to.equal(golden);
    });

  it('names every code that this package refuses with, and none that is not there', () => {
    const said = new Set([...page.matchAll(/`(BH-E-[A-Z-]+)`/g)].map(([, code]) => code as string));
    for (const code of said) expect(isErrorCode(code), code).to.equal(true);
    const folder = new URL('src/', PACKAGE);
    const code = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(new URL(file, folder), 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$/gm, ''))
      .join('\n');
    const used = [...code.matchAll(/'(BH-E-[A-Z-]+)'/g)].map(([, found]) => found as string);
    expect([...new Set(used)].filter((found) => !said.has(found) && found !== 'BH-E-INTERNAL')).to.deep.equal([]);
  });

  it('says the numbers that the code has', () => {
    expect(page).to.include(`This page freezes version ${WIRE_VERSION}.`);
    expect(page).to.include(`up to ${RECEIPTS_PER_MESSAGE} \`<tombstone`);
    expect(page).to.include(`up to ${RANGES_PER_HOLDINGS} \`<range`);
    expect(page).to.include(`*envelope* of 0 to ${LIMITS.messages} messages`);
    expect(page).to.include(`room for ${LIMITS.hops} hops of ${HOP_BYTES} bytes`);
    expect(page).to.include(`Up to ${LIMITS.window} envelopes may be under way`);
  });

  it('has a script whose envelopes are accepted', () => {
    const folder = mkdtempSync(join(tmpdir(), 'backhaul-wire-'));
    const script = `${fence('script')}printf %s "$B"`;
    const boundary = execFileSync('sh', ['-eu', '-c', script], { cwd: folder, encoding: 'utf8' });
    const contentType = `multipart/related; type="application/xml"; boundary=${boundary}`;
    const [raw] = readEnvelope(contentType, readFileSync(join(folder, 'envelope.mime')));
    const { header, body } = toMessage(raw!);
    expect(checkContent(header.class, header.subclass, readContent(body))).to.include({ type: header.contentType });
    expect(readEnvelope(contentType, readFileSync(join(folder, 'empty.mime')))).to.deep.equal([]);
    rmSync(folder, { recursive: true });
  });
});
