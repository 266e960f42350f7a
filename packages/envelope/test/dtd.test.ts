import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { need } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import { CONTENT_ELEMENTS } from '../src/content/content-vocabulary.ts';
import { HEADER_ELEMENTS } from '../src/header/header-vocabulary.ts';
import {
  COMPONENT_ATTRIBUTES,
  type EnvelopeResponse,
  writeContent,
  writeHeader,
  writeHoldings,
  writeReceipts,
  writeResponse,
  writeStatus,
} from '../src/index.ts';
import { HOLDINGS_ELEMENTS } from '../src/infrastructure/holdings.ts';
import { TOMBSTONE_ATTRIBUTES } from '../src/infrastructure/receipts.ts';
import { passGate } from '../src/xml/gate.ts';
import { content, header, holdings, mark, statusNode, tombstone } from './arbitraries.ts';
import { codeOf } from './codes.ts';

const PACKAGE = new URL('../', import.meta.url);
const dtd = (name: string) => fileURLToPath(new URL(`dtd/${name}.dtd`, PACKAGE));

/** Runs xmllint once over many documents; gives those it refuses, with what it said. */
function refusedByXmllint(documents: readonly Uint8Array[], ...options: string[]): Promise<Map<number, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'backhaul-xmllint-'));
  const names = documents.map((_, index) => join(folder, `${index}.xml`));
  for (const [index, document] of documents.entries()) writeFileSync(names[index] as string, document);
  return new Promise((resolve) => {
    execFile(
      'xmllint',
      ['--nonet', '--noout', ...options, ...names],
      { maxBuffer: 64 << 20, encoding: 'latin1' },
      (_, __, said) => {
        rmSync(folder, { recursive: true });
        const refused = new Map<number, string>();
        for (const [line, index] of said.matchAll(/^[^\n]*\/(\d+)\.xml:\d+: (?!namespace)[^\n]*$/gm))
          refused.set(Number(index), line);
        for (const [line, index] of said.matchAll(/^Document [^\n]*\/(\d+)\.xml does not validate[^\n]*$/gm))
          refused.set(Number(index), line);
        resolve(refused);
      },
    );
  });
}

const SAMPLES = { numRuns: 150, seed: 7 };
const accepted = { accepted: true };
const response = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.constant(accepted),
        fc.record({
          accepted: fc.constant(false),
          code: fc.constant('BH-E-SPOOF'),
          retryable: fc.boolean(),
          detail: fc.string({ unit: 'binary' }),
        }),
      ),
      { maxLength: 20 },
    ),
    fc.array(mark, { maxLength: 5 }),
  )
  .map(([verdicts, marks]): EnvelopeResponse => ({ verdicts, marks }));

const EMITTED: Readonly<Record<string, () => Uint8Array[]>> = {
  header: () => fc.sample(header, SAMPLES).map(writeHeader),
  content: () => fc.sample(content, SAMPLES).map(writeContent),
  status: () => fc.sample(statusNode, { numRuns: 60, seed: 7 }).map((node) => Buffer.from(writeStatus(1, node).text)),
  receipts: () =>
    fc.sample(fc.array(tombstone, { maxLength: 9 }), SAMPLES).map((list) => Buffer.from(writeReceipts(list).text)),
  holdings: () => fc.sample(holdings, SAMPLES).map((made) => Buffer.from(writeHoldings(made).text)),
  response: () => fc.sample(response, SAMPLES).map(writeResponse),
};

describe('what we emit is valid under the DTDs', function () {
  this.timeout(30_000);
  before(function () {
    need(this, 'program', 'xmllint');
  });

  for (const [name, emit] of Object.entries(EMITTED))
    it(`every ${name}`, async () => {
      expect([...(await refusedByXmllint(emit(), '--dtdvalid', dtd(name)))]).to.deep.equal([]);
    });

  for (const name of Object.keys(EMITTED))
    it(`golden: every good ${name}, as far as a DTD of this version can know it`, async () => {
      const folder = new URL(`fixtures/good/${name}/`, PACKAGE);
      const names = readdirSync(folder).filter((found) => found !== 'loose.newer-minor.xml');
      const refused = await refusedByXmllint(
        names.map((found) => readFileSync(new URL(found, folder))),
        '--dtdvalid',
        dtd(name),
      );
      expect([...refused].map(([index, said]) => `${names[index]}: ${said}`)).to.deep.equal([]);
    });

  it('the oracle refuses what it should', async () => {
    const refused = await refusedByXmllint(
      [Buffer.from('<header/>'), Buffer.from('<a><b></a>')],
      '--dtdvalid',
      dtd('header'),
    );
    expect([...refused.keys()]).to.deep.equal([0, 1]);
  });
});

describe('the gate is stricter than an XML parser', function () {
  this.timeout(30_000);
  before(function () {
    need(this, 'program', 'xmllint');
  });

  it('T-A1: nothing that xmllint calls malformed passes it', async () => {
    const documents = fc.sample(mutated, { numRuns: 1500, seed: 11 }).map((text) => Buffer.from(text));
    const refused = await refusedByXmllint(documents);
    const passed = documents.filter((document) => codeOf(() => passGate(document)) === undefined);
    const wrong = documents.flatMap((document, index) => {
      const said = refused.get(index);
      return said !== undefined && codeOf(() => passGate(document)) === undefined ? [`${said}\n${document}`] : [];
    });
    expect(wrong).to.deep.equal([]);
    expect(passed.length, 'some mutations stay well formed').to.be.greaterThan(50);
    expect(refused.size, 'most do not').to.be.greaterThan(500);
  });
});

const EDITS = [
  '',
  '<',
  '>',
  '&',
  '"',
  "'",
  '/',
  '=',
  ' ',
  '\n',
  '\t',
  ';',
  '&amp;',
  '&#65;',
  '&#0;',
  '&x;',
  ']]>',
  '<a/>',
  '</a>',
  '<a b="c">',
  '?>',
  '<?a?>',
  'x',
  '-',
  ':',
  '1',
  '\u0007',
  'é',
];
const SEEDS = [
  '<a b="1" c="x &lt; y"><d>text &amp; more</d><d e=\'2\'/>tail</a>',
  '<?xml version="1.0" encoding="UTF-8"?>\n<a>\n  <b/>\n</a>\n',
  '<content><alarm id="a" state="open">some ]] &gt; text<data size="2">{}</data></alarm></content>',
];

/** A small document with one to three edits. */
const mutated = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(fc.record({ at: fc.nat(100), cut: fc.nat(3), put: fc.constantFrom(...EDITS) }), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([seed, edits]) =>
    edits.reduce(
      (text, { at, cut, put }) =>
        text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + cut),
      seed,
    ),
  );

/** Attribute names of each element, in the order in which a DTD declares them. */
function declared(name: string): Record<string, string[]> {
  const text = readFileSync(dtd(name), 'utf8');
  const elements = [...text.matchAll(/<!ELEMENT (\w+)/g)].map(([, element]) => element as string);
  return Object.fromEntries(
    elements.map((element) => {
      const [, list = ''] = new RegExp(`<!ATTLIST ${element}\\s([^>]*)>`).exec(text) ?? [];
      return [element, [...list.matchAll(/^\s+(\w+)\s/gm)].map(([, attribute]) => attribute as string)];
    }),
  );
}

describe('the DTDs say what the code says', () => {
  it('of headers', () => expect(declared('header')).to.deep.equal(HEADER_ELEMENTS));
  it('of contents', () => expect(declared('content')).to.deep.equal(CONTENT_ELEMENTS));
  it('of tombstones', () => expect(declared('receipts')['tombstone']).to.deep.equal(TOMBSTONE_ATTRIBUTES));
  it('of holdings', () => expect(declared('holdings')).to.deep.equal(HOLDINGS_ELEMENTS));
  it('of status trees', () => expect(declared('status')['component']).to.deep.equal(COMPONENT_ATTRIBUTES));
});
