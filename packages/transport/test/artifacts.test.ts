import { createHash, randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FaultProxy, leakCheck, type TemporaryDirectory, temporaryDirectory, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { request } from 'undici';
import { certificates, type Lower, lower, TRUST_DOMAIN, type Upper, upper } from './support/hop.ts';
import { PROXY, spoolEntries } from './support/messages.ts';
import { RawPeer } from './support/raw-request.ts';

const SIZE = 3_000_000;

describe('artifacts', () => {
  leakCheck({ before, after });
  let folder: TemporaryDirectory;
  let above: Upper;
  let below: Lower;
  let line: FaultProxy;
  let bytes: Buffer;
  let sha256: string;
  let target: string;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    bytes = randomBytes(SIZE);
    sha256 = createHash('sha256').update(bytes).digest('hex');
    target = join(folder.path, sha256);
    above = await upper();
    const path = join(folder.path, 'published');
    await writeFile(path, bytes);
    above.handler.artifacts.set(sha256, { path, size: SIZE, sha256 });
    line = await FaultProxy.start(above.listener.url);
    below = await lower({ parents: [{ url: line.through(above.listener.url) }] });
  });
  afterEach(async () => {
    await below.stop();
    await line.stop();
    await above.stop();
    await folder.remove();
  });

  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'done',
      (error) => error.code ?? error.message,
    );
  const exists = (path: string): Promise<boolean> =>
    stat(path).then(
      () => true,
      () => false,
    );

  it('are fetched whole, verified, and appear under their name only then', async () => {
    const progress: number[] = [];
    await below.uplink.fetchArtifact(sha256, SIZE, target, { onProgress: (here) => progress.push(here) });
    expect((await readFile(target)).equals(bytes)).to.equal(true);
    expect(progress.at(-1)).to.equal(SIZE);
    expect(await exists(`${target}.part`)).to.equal(false);
    await until('it is told', () => above.handler.served.length === 1);
    expect(above.handler.served).to.deep.equal([{ bytes: SIZE, complete: true }]);
  });

  it('come with a piece first where the line was thin so far, and then the rest when it is not', async () => {
    line.faults.delayMs = 40;
    for (const n of [1, 2, 3]) {
      await below.submit(spoolEntries(n, 1));
      await until('it is answered', () => below.spool.depth().messages === 0);
    }
    await below.uplink.fetchArtifact(sha256, SIZE, target);
    expect((await readFile(target)).equals(bytes)).to.equal(true);
    const piece = 32 * 1024;
    await until('both are told', () => above.handler.served.length === 2);
    expect(above.handler.served).to.deep.equal([
      { bytes: piece, complete: false },
      { bytes: SIZE - piece, complete: true },
    ]);
  });

  it('go on where the line was cut', async () => {
    const received: number[] = [];
    line.faults.cutAfter = { direction: 'down', bytes: 1_000_000 };
    await below.uplink.fetchArtifact(sha256, SIZE, target, { onProgress: (here) => received.push(here) });
    expect((await readFile(target)).equals(bytes)).to.equal(true);
    expect(line.hits.cut).to.equal(1);
    expect(
      received.every((here, i) => i === 0 || here > received[i - 1]!),
      'no byte is asked for twice',
    ).to.equal(true);
    expect(above.handler.served.at(-1)!.bytes).to.be.below(SIZE);
  });

  it('go on with what an earlier run left', async () => {
    await writeFile(`${target}.part`, bytes.subarray(0, 2_000_000));
    await below.uplink.fetchArtifact(sha256, SIZE, target);
    expect((await readFile(target)).equals(bytes)).to.equal(true);
    await until('it is told', () => above.handler.served.length === 1);
    expect(above.handler.served[0]!.bytes).to.equal(1_000_000);
  });

  it('begin again when what an earlier run left is damaged', async () => {
    await writeFile(`${target}.part`, randomBytes(1000));
    await below.uplink.fetchArtifact(sha256, SIZE, target);
    expect((await readFile(target)).equals(bytes)).to.equal(true);
  });

  it('with other bytes than announced are discarded [BH-E-BULK-HASH]', async () => {
    await writeFile(above.handler.artifacts.get(sha256)!.path, randomBytes(SIZE));
    expect(await codeOf(below.uplink.fetchArtifact(sha256, SIZE, target))).to.equal('BH-E-BULK-HASH');
    expect([await exists(target), await exists(`${target}.part`)]).to.deep.equal([false, false]);
  });

  it('of another length than announced are not begun [BH-E-BULK-HASH]', async () => {
    expect(await codeOf(below.uplink.fetchArtifact(sha256, SIZE - 1, target))).to.equal('BH-E-BULK-HASH');
    expect([await exists(target), await exists(`${target}.part`)]).to.deep.equal([false, false]);
  });

  it('that are not published end at once [BH-E-BULK-GONE]', async () => {
    expect(await codeOf(below.uplink.fetchArtifact('0'.repeat(64), SIZE, target))).to.equal('BH-E-BULK-GONE');
  });

  it('stop when told to, and keep what is here', async () => {
    const control = new AbortController();
    const fetched = below.uplink.fetchArtifact(sha256, SIZE, target, {
      signal: control.signal,
      maxBytesPerSecond: 200_000,
      onProgress: () => setTimeout(() => control.abort(), 50),
    });
    expect(await codeOf(fetched)).to.equal('BH-E-PARENT-UNREACHABLE');
    expect((await stat(`${target}.part`)).size).to.be.within(1, SIZE - 1);
  });

  it('keep to a byte rate', async () => {
    const began = performance.now();
    await below.uplink.fetchArtifact(sha256, SIZE, target, { maxBytesPerSecond: 4_000_000 });
    expect(performance.now() - began).to.be.within(400, 2000);
  });

  it('T-A15: end in the middle for a peer that is revoked', async () => {
    const size = 32 * 1024 * 1024; // more than fits into the buffers on the way
    const path = join(folder.path, 'large');
    await writeFile(path, Buffer.alloc(size));
    above.handler.artifacts.set(sha256, { path, size, sha256 });
    const fetched = below.uplink.fetchArtifact(sha256, size, target, {
      maxBytesPerSecond: 40_000_000,
      onProgress: () => above.handler.revoked.add(PROXY),
    });
    expect(await codeOf(fetched)).to.equal('BH-E-ID-REVOKED');
    expect(above.handler.served[0]).to.include({ complete: false });
  });

  it('reach several readers at one time whole, however slowly each of them takes the pieces', async () => {
    const plain = await upper({ tls: 'plain' });
    const artifact = above.handler.artifacts.get(sha256)!;
    plain.handler.artifacts.set(sha256, artifact);
    const identity = `spiffe://${TRUST_DOMAIN}/${PROXY.split('.')[0]}/proxy/${PROXY}`;
    const read = async (pieces: number): Promise<string> => {
      const hash = createHash('sha256');
      const headers = { 'backhaul-identity': identity };
      const reply = await request(`${plain.listener.url}/v1/artifacts/${sha256}`, { headers });
      let came = 0;
      for await (const piece of reply.body) {
        hash.update(piece as Buffer);
        if (came++ % pieces === 0) await new Promise((resolve) => setTimeout(resolve, 2)); // the socket fills up
      }
      return hash.digest('hex');
    };
    expect(await Promise.all([1, 3, 7, 50].map(read))).to.deep.equal([sha256, sha256, sha256, sha256]);
    await plain.stop();
  });

  it('are served by range, whole, and by their head', async () => {
    const peer = new RawPeer(above.listener.url, certificates().component(PROXY));
    const get = (headers: Record<string, string> = {}, method = 'GET') =>
      peer.request(`/v1/artifacts/${sha256}`, { method, headers });
    const part = await get({ range: 'bytes=10-19' });
    expect([part.status, part.headers['content-range']]).to.deep.equal([206, `bytes 10-19/${SIZE}`]);
    expect(part.body.equals(bytes.subarray(10, 20))).to.equal(true);
    expect((await get({ range: 'bytes=10-19', 'if-range': '"other"' })).status).to.equal(200);
    const outside = await get({ range: `bytes=${SIZE}-` });
    expect([outside.status, outside.code, outside.headers['content-range']]).to.deep.equal([
      416,
      'BH-E-BULK-RANGE',
      `bytes */${SIZE}`,
    ]);
    const head = await get({}, 'HEAD');
    expect([head.headers.etag, head.headers['content-length'], head.body.length]).to.deep.equal([
      `"${sha256}"`,
      String(SIZE),
      0,
    ]);
    peer.close();
  });
});
