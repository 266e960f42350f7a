import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BulkDataResponse,
  type EventContent,
  jsonElement,
  jsonOf,
  type Message,
  readContent,
} from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { until } from '@backhaul/testkit';
import { expect } from 'chai';
import type { Fetch } from '../src/transfers/artifact-store.ts';
import { GROUP, message, P1, P2, P3, PROXIES, TestMlm, type TestMlmOptions } from './test-mlm.ts';

const bytes = Buffer.from('the bytes of a package '.repeat(100));
const sha256 = createHash('sha256').update(bytes).digest('hex');

const offer = (over = {}): Message =>
  message({
    class: 'software',
    subclass: 'offer',
    destination: { kind: 'group', name: GROUP },
    content: {
      type: 'bulkDataRequest',
      ...{ sha256, size: bytes.length, class: 'software', subclass: 'offer', name: 'demo', artifactVersion: '1.0.0' },
      location: `/v1/artifacts/${sha256}`,
      data: jsonElement({ manifest: '{}', signature: 'x', publicKey: 'y' }),
    },
    ...over,
  });

let sequence = 0;
const installed = (source: string, push: string, state: string, over = {}): Message =>
  message({
    source,
    sequence: (sequence += 1),
    class: 'software',
    subclass: 'install',
    content: {
      type: 'event',
      ...{ eventId: `install:${state}`, severity: 'info', instance: source, occurredAt: 1, text: state },
      data: jsonElement({ push, artifact: sha256, name: 'demo', version: '1.0.0', state, ...over }),
    },
  });

const contents = (list: readonly Message[], subclass: string) =>
  list.filter(({ header }) => header.subclass === subclass).map(({ body }) => readContent(body));

describe('transfers', () => {
  let mlm: TestMlm;
  let fetches = 0;
  const fetch: Fetch = async (_sha, size, toPath, { onProgress }) => {
    fetches += 1;
    onProgress(size, size);
    await writeFile(toPath, bytes);
  };
  const begin = async (options: TestMlmOptions = {}) => {
    fetches = 0;
    mlm = await TestMlm.create({ fetch, ...options });
    await mlm.startTimers();
  };
  afterEach(() => mlm.close());

  const states = () => mlm.core.transfers.transfers.map(({ state }) => state);
  const offered = () => until('it is offered', async () => (await mlm.mailbox(P3)).length > 0);
  const serve = (child: string, count = bytes.length, complete = true) =>
    mlm.core.handler.artifactServed({ identity: { id: child } } as never, sha256, count, complete);
  const artifact = (child: string) => mlm.core.handler.artifact({ identity: { id: child } } as never, sha256);

  it('fetches once, then offers to each member, serves it, and reports what it cost', async () => {
    await begin();
    const sent = offer();
    await mlm.receive([sent]);
    expect(await mlm.mailbox(P1)).to.have.length(0);
    await offered();
    for (const child of PROXIES) {
      const [got] = await mlm.mailbox(child);
      expect(got?.header.id).to.equal(sent.header.id);
      expect(await artifact(child)).to.include({ size: bytes.length, sha256 });
      serve(child);
    }
    for (const child of PROXIES) await mlm.send(child, [installed(child, sent.header.id, 'fetched')]);
    await until('it is over', () => mlm.core.transfers.transfers.length === 0);
    const forwarded = await mlm.forwarded();
    expect((contents(forwarded, 'authorisation')[0] as BulkDataResponse).status).to.equal('granted');
    const [report] = contents(forwarded, 'transfer') as EventContent[];
    expect(jsonOf(report?.data)).to.deep.equal({
      sha256,
      wanBytes: bytes.length,
      fetches: 1,
      lanBytes: 3 * bytes.length,
      destinations: PROXIES,
    });
    expect(fetches).to.equal(1);
    await until('it is un-published', () => !existsSync(join(mlm.directory, 'artifacts', sha256)));
    const gone = await artifact(P1).catch((error) => error);
    expect(gone).to.have.property('code', 'BH-E-BULK-GONE');
  });

  it('two offers of one artifact share one fetch', async () => {
    await begin();
    await mlm.receive([offer(), offer()]);
    await until('both are offered', async () => (await mlm.mailbox(P1)).length === 2);
    expect(fetches).to.equal(1);
    expect(mlm.core.transfers.transfers.map((one) => one.fetches).toSorted()).to.deep.equal([0, 1]);
  });

  it('un-publishes when all refused it', async () => {
    await begin();
    const sent = offer();
    await mlm.receive([sent]);
    await offered();
    for (const child of PROXIES)
      await mlm.send(child, [installed(child, sent.header.id, 'refused', { code: 'BH-E-POLICY-KEY' })]);
    expect(states()).to.deep.equal([]);
    const [report] = contents(await mlm.forwarded(), 'transfer') as EventContent[];
    expect(jsonOf(report?.data)).to.have.deep.property(
      'failed',
      PROXIES.map((id) => ({ id, reason: 'BH-E-POLICY-KEY' })),
    );
  });

  it('a module may refuse before any byte moves; the refusal is told with its wait', async () => {
    await begin({ modules: [{ use: 'throttle', maxTransferBytes: 10 }] });
    await mlm.receive([offer()]);
    await until('the refusal is stored', () => mlm.core.transfers.transfers[0]?.refusalTold === true);
    const [answer] = contents(await mlm.forwarded(), 'authorisation') as BulkDataResponse[];
    expect(answer).to.include({ status: 'refused', code: 'BH-E-BULK-REFUSED' });
    expect(answer?.waitMs).to.be.above(0);
    expect(fetches).to.equal(0);
    expect(await mlm.mailbox(P1)).to.have.length(0);
  });

  it('refuses what the disk has no room for', async () => {
    await begin({ config: { transfers: { minFreeBytes: Number.MAX_SAFE_INTEGER } } });
    await mlm.receive([offer()]);
    await until('the refusal is stored', () => mlm.core.transfers.transfers[0]?.refusalTold === true);
    expect((contents(await mlm.forwarded(), 'authorisation')[0] as BulkDataResponse).code).to.equal('BH-E-BULK-SPACE');
  });

  it('serves only to those it was offered to', async () => {
    await begin();
    await mlm.receive([offer({ destination: { kind: 'list', ids: [P1, P3] } })]);
    await offered();
    const foreign = await artifact(P2).catch((error) => error);
    expect(foreign).to.have.property('code', 'BH-E-BULK-GONE');
    expect(await artifact(P1)).to.include({ sha256 });
  });

  it('begins again where it was after kill -9: before the fetch, during it, and after the offer', async () => {
    let cut = true;
    const cutOnce: Fetch = async (...args) => {
      if (!cut) return fetch(...args);
      args[3].signal.throwIfAborted();
      await new Promise((_, reject) => args[3].signal.addEventListener('abort', () => reject(new Error('cut'))));
    };
    await begin({ fetch: cutOnce });
    const sent = offer();
    await mlm.receive([sent]);
    await until('it fetches', () => states()[0] === 'fetching');
    cut = false;
    await mlm.crash();
    await offered();
    serve(P1);
    await until('serving is stored', () => mlm.core.transfers.transfers[0]?.lanBytes === bytes.length);
    await mlm.crash();
    expect(await artifact(P2)).to.include({ sha256 });
    expect(await mlm.mailbox(P2)).to.have.length(1);
    for (const child of PROXIES) await mlm.send(child, [installed(child, sent.header.id, 'done')]);
    expect(states()).to.deep.equal([]);
    expect(fetches).to.equal(1);
  });

  it('a lost line is tried again, an artifact that is gone above is not', async () => {
    const errors = [new BackhaulError('BH-E-PARENT-UNREACHABLE'), new BackhaulError('BH-E-BULK-GONE')];
    await begin({ fetch: () => Promise.reject(errors.shift() ?? new Error('asked too often')) });
    await mlm.receive([offer()]);
    await until('it has failed once', () => mlm.core.transfers.transfers[0]?.fetches === 1);
    await mlm.clock.advance(60_000);
    await until('it is given up', () => states().length === 0);
    expect(errors).to.have.length(0);
    expect(
      contents(await mlm.forwarded(), 'authorisation').map((one) => (one as BulkDataResponse).status),
    ).to.deep.equal(['granted', 'refused']);
  });

  it('a file that is gone while it is on offer is fetched anew, and nobody is told that there is none', async () => {
    await begin();
    await mlm.receive([offer()]);
    await offered();
    const { path } = await artifact(P1);
    await rm(path);
    expect(await artifact(P1).catch((error) => error)).to.include({ code: 'BH-E-BUSY', retryable: true });
    await until('it is here again', () => fetches === 2 && states()[0] === 'offered');
    expect(await artifact(P1)).to.deep.equal({ path, size: bytes.length, sha256 });
    expect(await mlm.mailbox(P1)).to.have.length(1); // it was offered once
  });

  it('an offer to nobody is refused', async () => {
    await begin();
    await mlm.receive([offer({ destination: { kind: 'group', name: 'unknown' } })]);
    expect(states()).to.deep.equal([]);
    expect(contents(await mlm.forwarded(), 'authorisation')[0]).to.include({ status: 'refused', code: 'BH-E-TARGET' });
  });

  it('an answer that cannot be read passes on and moves nothing', async () => {
    await begin();
    await mlm.receive([offer()]);
    await offered();
    const odd = message({
      class: 'software',
      subclass: 'install',
      sequence: 77,
      content: {
        type: 'event',
        eventId: 'e',
        severity: 'info',
        instance: P1,
        occurredAt: 1,
        text: 't',
        data: jsonElement({ push: 1 }),
      },
    });
    expect(await mlm.send(P1, [odd])).to.deep.equal([{ accepted: true }]);
    expect(states()).to.deep.equal(['offered']);
  });
});
