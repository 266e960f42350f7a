import { sampleEntry } from '@backhaul/spool/contract';
import { expect } from 'chai';
import fc from 'fast-check';
import { decodeRecord, encodeRecord } from '../src/record.ts';

const plain = sampleEntry({ id: 'a', sequence: 7, header: Buffer.from('h'), body: Buffer.from('b'), expiresAt: 9 });

/** What versions wrote that knew neither `via` nor a supersede key. */
const OLD_ROWS = '[["a","c0000test.p1","00000000000000e1",7,"performance","sample",1000,9,0,1,1]]';

function recordOf(rows: string, bytes: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(rows.length);
  return Buffer.concat([length, Buffer.from(rows), Buffer.from(bytes)]);
}

describe('a record of the spool', () => {
  it('gives back what was written, whatever is there and what is not', () => {
    const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    const text = fc.string({ minLength: 1, maxLength: 12 });
    const given = fc.record({ via: optional(text), supersedeKey: optional(text), expiresAt: optional(fc.nat()) });
    fc.assert(
      fc.property(fc.array(given, { maxLength: 5 }), (list) => {
        const entries = list.map((extra) => {
          const kept = Object.entries(extra).filter(([, value]) => value !== undefined && value !== 0);
          return sampleEntry(Object.fromEntries(kept));
        });
        expect(decodeRecord(4, encodeRecord(entries))).to.deep.equal(entries);
      }),
    );
  });

  it('is read as older versions wrote it', () => {
    expect(decodeRecord(4, recordOf(OLD_ROWS, 'hb'))).to.deep.equal([plain]);
    expect(encodeRecord([plain])).to.deep.equal(recordOf(OLD_ROWS, 'hb'));
  });

  it('is read although a later version has put more behind', () => {
    const rows = OLD_ROWS.replace(']]', ',"p1","key",["more"],3]]');
    expect(decodeRecord(4, recordOf(rows, 'hb'))).to.deep.equal([{ ...plain, via: 'p1', supersedeKey: 'key' }]);
  });
});
