import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { silentLogger, systemRandom } from '@backhaul/runtime';
import { FakeClock, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { type FetchContext, fetchArtifact } from '../src/artifact-fetch.ts';
import type { ArtifactSpan } from '../src/parent-connection.ts';

const KIB = 1024;
const SIZE = 200 * KIB;

describe('fetching over a thin line', () => {
  let folder: TemporaryDirectory;
  beforeEach(async () => {
    folder = await temporaryDirectory();
  });
  afterEach(() => folder.remove());

  /** A parent behind a line of so many bytes a second, and what is asked of it; `changed` makes its answer another one. */
  function parent(bytesPerSecond: number, changed: (span: ArtifactSpan, n: number) => ArtifactSpan = (span) => span) {
    const clock = new FakeClock();
    const bytes = randomBytes(SIZE);
    const seen: string[] = [];
    let isOurs = false;
    let asked = 0;
    const context: FetchContext = {
      ...{ clock, random: systemRandom, logger: silentLogger, onBytes: () => {} },
      isThin: () => true,
      turn: async () => {
        isOurs = true;
        return () => {
          isOurs = false;
        };
      },
      request: async (_sha256, span) => {
        seen.push(`${span.from / KIB}–${span.to === undefined ? '' : span.to / KIB}${isOurs ? '' : ' without a turn'}`);
        const { from, to = SIZE } = changed(span, ++asked);
        await clock.advance(((to - from) * 1000) / bytesPerSecond);
        const whole = from === 0 && to === SIZE;
        const headers = whole
          ? { 'content-length': String(SIZE) }
          : { 'content-range': `bytes ${from}-${to - 1}/${SIZE}` };
        return { statusCode: whole ? 200 : 206, headers, body: Readable.from([bytes.subarray(from, to)]) };
      },
    };
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const path = join(folder.path, sha256);
    const fetch = (options = {}) => fetchArtifact(context, sha256, SIZE, path, options);
    const isHere = async () => (await readFile(path)).equals(bytes);
    return { seen, fetch, isHere };
  }

  it('asks for two seconds of it at once, each piece in its turn', async () => {
    const { seen, fetch, isHere } = parent(24 * KIB);
    await fetch();
    expect(await isHere()).to.equal(true);
    expect(seen).to.deep.equal(['0–32', '32–80', '80–128', '128–176', '176–']);
  });

  it('asks for the rest at once when a piece shows that the line is not thin', async () => {
    const { seen, fetch, isHere } = parent(1024 * KIB);
    await fetch();
    expect(await isHere()).to.equal(true);
    expect(seen).to.deep.equal(['0–32', '32– without a turn']);
  });

  it('takes no turns where it has a rate of its own', async () => {
    const { seen, fetch } = parent(24 * KIB);
    await fetch({ maxBytesPerSecond: 1024 * KIB });
    expect(seen).to.deep.equal(['0– without a turn']);
  });

  it('takes all of it from a parent that heeds no range', async () => {
    const { seen, fetch, isHere } = parent(24 * KIB, () => ({ from: 0 }));
    await fetch();
    expect(await isHere()).to.equal(true);
    expect(seen).to.deep.equal(['0–32']);
  });

  it('a piece that is not what was asked for is refused [BH-E-BULK-HASH]', async () => {
    const other = parent(24 * KIB, ({ from, to }, n) => (n === 2 ? { from, to: to! + KIB } : { from, to }));
    const refused = await other.fetch().catch((error) => error);
    expect(refused).to.include({ code: 'BH-E-BULK-HASH' });
    expect(other.seen).to.deep.equal(['0–32', '32–80']);
  });
});
