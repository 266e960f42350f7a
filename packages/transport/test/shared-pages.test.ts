import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { PageBody, SharedPages } from '../src/shared-pages.ts';

const stored = (id: string) => ({ id, header: Buffer.from(id), body: Buffer.from('body'), receivedAt: 1_000 });

describe('the page that was written last', () => {
  let written: number;
  const write = () => new PageBody(`boundary-${++written}`, Buffer.alloc(2_000, 'x'));
  beforeEach(() => {
    written = 0;
  });

  it('is what all get who are sent the same within milliseconds', () => {
    const pages = new SharedPages();
    const [a, b] = [stored('a'), stored('b')];
    const first = pages.of([a, b], 5_000, write);
    expect(pages.of([{ ...a }, { ...b }], 5_019, write), 'their own lists of the same bytes').to.equal(first);
    expect(written).to.equal(1);
  });

  it('is written anew later, before a clock was set back, and for everything else', () => {
    const pages = new SharedPages();
    const [a, b] = [stored('a'), stored('b')];
    const differing = [
      [[a, b], 5_000],
      [[a, b], 5_020],
      [[a, b], 5_019],
      [[b, a], 5_019],
      [[b], 5_019],
      [[stored('b')], 5_019],
      [[{ ...b, receivedAt: 1_001 }], 5_019],
      [[{ ...b, expiresAt: 9_000 }], 5_019],
    ] as const;
    for (const [messages, now] of differing) pages.of(messages, now, write);
    expect(written).to.equal(differing.length);
  });

  it('is packed once', async () => {
    const page = write();
    const [first, second] = await Promise.all([page.packed('gzip'), page.packed('gzip')]);
    expect(first).to.equal(second);
    expect(gunzipSync(first).equals(page.plain)).to.equal(true);
    expect((await page.packed('zstd')).equals(first)).to.equal(false);
  });
});
