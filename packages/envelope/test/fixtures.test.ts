import { readdirSync, readFileSync } from 'node:fs';
import { isErrorCode } from '@backhaul/runtime';
import { expect } from 'chai';
import {
  type Content,
  contentTypeOf,
  readContent,
  readEnvelope,
  readHeader,
  readHoldings,
  readReceipts,
  readReply,
  readResponse,
  readStatus,
  toMessage,
  writeContent,
  writeEnvelope,
  writeHeader,
  writeHoldings,
  writeReceipts,
  writeReply,
  writeResponse,
  writeStatus,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { BOUNDARY, CONTENT_TYPE } from './samples.ts';

/**
 * One file each. `fixtures/good/<kind>/<what>`: accepted, and written again gives the same bytes, unless the name begins with
 * `loose.`. `fixtures/bad/<kind>/<code>.<what>`: refused with that code.
 */
const ROOT = new URL('../fixtures/', import.meta.url);

/** Reads it; gives how it is written again. */
type Kind = (bytes: Buffer) => () => Buffer;

const xmlData = (bytes: Buffer): Content => ({
  type: 'data',
  mimeType: 'text/xml',
  encoding: 'none',
  text: bytes.toString(),
});

const KINDS: Readonly<Record<string, Kind>> = {
  header: (bytes) => {
    const header = readHeader(bytes);
    return () => writeHeader(header);
  },
  content: (bytes) => {
    const content = readContent(bytes);
    return () => writeContent(content);
  },
  status: (bytes) => {
    const { madeAt, root } = readStatus(xmlData(bytes));
    return () => Buffer.from(writeStatus(madeAt, root).text);
  },
  receipts: (bytes) => {
    const tombstones = readReceipts(xmlData(bytes));
    return () => Buffer.from(writeReceipts(tombstones).text);
  },
  holdings: (bytes) => {
    const holdings = readHoldings(xmlData(bytes));
    return () => Buffer.from(writeHoldings(holdings).text);
  },
  response: (bytes) => {
    const response = readResponse(bytes);
    return () => writeResponse(response);
  },
  envelope: (bytes) => {
    const messages = readEnvelope(CONTENT_TYPE, bytes);
    for (const message of messages) toMessage(message);
    return () => Buffer.concat(writeEnvelope(BOUNDARY, messages));
  },
  reply: (bytes) => {
    const { response, messages } = readReply(contentTypeOf(BOUNDARY), bytes);
    return () => Buffer.concat(writeReply(BOUNDARY, response, messages));
  },
};

function files(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, ROOT)).sort();
}

const read = (path: string) => readFileSync(new URL(path, ROOT));

for (const [kind, readKind] of Object.entries(KINDS)) {
  describe(`golden ${kind}`, () => {
    for (const name of files(`good/${kind}`))
      it(`good: ${name}`, () => {
        const bytes = read(`good/${kind}/${name}`);
        const written = readKind(bytes)();
        if (!name.startsWith('loose.')) expect(written.toString()).to.equal(bytes.toString());
      });

    for (const name of files(`bad/${kind}`))
      it(`bad: ${name}`, () => {
        const code = name.slice(0, name.indexOf('.'));
        expect(isErrorCode(code), code).to.equal(true);
        expect(codeOf(() => readKind(read(`bad/${kind}/${name}`)))).to.equal(code);
      });
  });
}

describe('golden files', () => {
  it('none is left out', () => {
    for (const side of ['good', 'bad']) expect(files(side)).to.have.members(Object.keys(KINDS));
  });
});
