import { readdirSync, readFileSync } from 'node:fs';
import { isErrorCode } from '@backhaul/runtime';
import { expect } from 'chai';
import {
  type Content,
  contentTypeOf,
  readContent,
  readEnvelope,
  readHeader,
  readReceipts,
  readReply,
  readResponse,
  readStatus,
  toMessage,
  writeContent,
  writeEnvelope,
  writeHeader,
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

interface Kind {
  /** gives what was read, written again */
  readonly again: (bytes: Buffer) => Buffer;
}

const xmlData = (bytes: Buffer): Content => ({
  type: 'data',
  mimeType: 'text/xml',
  encoding: 'none',
  text: bytes.toString(),
});

const KINDS: Readonly<Record<string, Kind>> = {
  header: { again: (bytes) => writeHeader(readHeader(bytes)) },
  content: { again: (bytes) => writeContent(readContent(bytes)) },
  status: {
    again: (bytes) => {
      const { madeAt, root } = readStatus(xmlData(bytes));
      return Buffer.from(writeStatus(madeAt, root).text);
    },
  },
  receipts: { again: (bytes) => Buffer.from(writeReceipts(readReceipts(xmlData(bytes))).text) },
  response: { again: (bytes) => writeResponse(readResponse(bytes)) },
  envelope: {
    again: (bytes) => {
      const messages = readEnvelope(CONTENT_TYPE, bytes);
      for (const message of messages) toMessage(message);
      return Buffer.concat(writeEnvelope(BOUNDARY, messages));
    },
  },
  reply: {
    again: (bytes) => {
      const { response, messages } = readReply(contentTypeOf(BOUNDARY), bytes);
      return Buffer.concat(writeReply(BOUNDARY, response, messages));
    },
  },
};

function files(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, ROOT)).sort();
}

const read = (path: string) => readFileSync(new URL(path, ROOT));

for (const [kind, { again }] of Object.entries(KINDS)) {
  describe(`golden ${kind}`, () => {
    for (const name of files(`good/${kind}`))
      it(`good: ${name}`, () => {
        const bytes = read(`good/${kind}/${name}`);
        const written = again(bytes);
        if (!name.startsWith('loose.')) expect(written.toString()).to.equal(bytes.toString());
      });

    for (const name of files(`bad/${kind}`))
      it(`bad: ${name}`, () => {
        const code = name.slice(0, name.indexOf('.'));
        expect(isErrorCode(code), code).to.equal(true);
        expect(codeOf(() => again(read(`bad/${kind}/${name}`)))).to.equal(code);
      });
  });
}

describe('golden files', () => {
  it('none is left out', () => {
    for (const side of ['good', 'bad']) expect(files(side)).to.have.members(Object.keys(KINDS));
  });
});
