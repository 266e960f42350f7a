import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { WIRE_HEADERS } from '../src/wire-headers.ts';

describe('HTTP headers of the wire', () => {
  it('docs/wire.md lists every one, and no other', () => {
    const page = readFileSync(new URL('../../../docs/wire.md', import.meta.url), 'utf8');
    const listed = [...page.matchAll(/^\| `(Backhaul-[A-Za-z]+)` \|/gm)].map(([, name]) => name!.toLowerCase());
    expect(new Set(listed)).to.deep.equal(new Set(Object.values(WIRE_HEADERS)));
  });
});
