import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { type EventContent, jsonData, jsonElement, jsonOf, type Membership, readContent } from '@backhaul/envelope';
import { identityOf, uriSan } from '@backhaul/identity';
import { leakCheck, type TemporaryDirectory, TlsFixtures, temporaryDirectory, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { MlmProcess } from './process/mlm-process.ts';
import { TestChild, TestParent } from './process/test-network.ts';
import {
  component,
  GROUP,
  MLM,
  membership,
  message,
  messages,
  P1,
  P2,
  P3,
  PARENT,
  PROXIES,
  TRUST_DOMAIN,
} from './test-mlm.ts';

const SIZE = 6 * 1024 * 1024;
const ping = () =>
  message({ class: 'command', subclass: 'ping', content: jsonData({}), destination: { kind: 'group', name: GROUP } });
const tell = (document: Membership) =>
  message({
    class: 'infrastructure',
    subclass: 'membership',
    content: jsonData(document),
    destination: { kind: 'component', id: MLM },
  });

describe('an MLM over mutual TLS', function () {
  this.timeout(60_000);
  leakCheck({ before, after });
  let tls: TlsFixtures;
  let parent: TestParent;
  let mlm: MlmProcess;
  let folder: TemporaryDirectory;
  const children = new Map<string, TestChild>();

  const child = async (id: string): Promise<TestChild> => {
    const one = await new TestChild(id, mlm.url, tls.component(id)).start();
    children.set(id, one);
    return one;
  };
  before(async () => {
    tls = new TlsFixtures(TRUST_DOMAIN);
    folder = await temporaryDirectory();
  });
  beforeEach(async () => {
    parent = new TestParent(tls.component(PARENT));
    await parent.start();
    mlm = await MlmProcess.start({
      parents: [{ id: PARENT, url: parent.url }],
      tls: tls.component(MLM),
      membership: membership(1, { groups: { [GROUP]: PROXIES, pair: [P1, P3] } }),
    });
  });
  afterEach(async () => {
    for (const one of children.values()) await one.stop();
    children.clear();
    await mlm?.remove();
    await parent?.stop();
  });
  after(async () => {
    tls.remove();
    await folder.remove();
  });

  /** What a component gets that asks with its own certificate and claims to be somebody else. */
  const poll = (id: string, claim: string, ack: string): Promise<{ status: number; body: string; mailbox: string }> =>
    new Promise((resolve, reject) => {
      const headers = {
        'content-type': 'multipart/related; type="application/xml"; boundary=empty',
        'backhaul-version': '1.0',
        'backhaul-ack': ack,
        'backhaul-identity': uriSan(identityOf(claim, TRUST_DOMAIN)),
      };
      const options = {
        ...tls.component(id),
        method: 'POST',
        headers,
        agent: false as const,
        checkServerIdentity: () => undefined,
      };
      const asked = request(`${mlm.url}/v1/envelopes`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        const mailbox = String(response.headers['backhaul-mailbox'] ?? '');
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), mailbox }),
        );
      });
      asked.on('error', reject);
      asked.end('--empty--\r\n');
    });

  it('messages go up, a group message goes down to its members and to nobody else', async () => {
    for (const id of PROXIES) await child(id);
    await children.get(P1)?.submit(messages(20));
    const [all, pair] = [
      ping(),
      message({
        class: 'command',
        subclass: 'ping',
        content: jsonData({}),
        destination: { kind: 'group', name: 'pair' },
      }),
    ];
    await parent.send(all, pair);
    await until('all have theirs', () =>
      PROXIES.every((id) => (children.get(id)?.received.length ?? 0) >= (id === P2 ? 1 : 2)),
    );
    await until(
      'the messages are up',
      () => parent.received.filter(({ header }) => header.source === P1).length === 20,
    );
    const idsOf = (id: string) => children.get(id)?.received.map(({ header }) => header.id);
    expect(idsOf(P1)).to.deep.equal([all.header.id, pair.header.id]);
    expect(idsOf(P2)).to.deep.equal([all.header.id]);
    expect(idsOf(P3)).to.deep.equal([all.header.id, pair.header.id]);
    const [up] = parent.received.filter(({ header }) => header.source === P1);
    expect(up?.header.routing.map(({ id }) => id)).to.deep.equal([P1, MLM]);
  });

  it('T-A19: a child that claims the source of another is refused that message, and only that', async () => {
    const one = await child(P1);
    await one.submit([message({ source: P2, sequence: 1 }), message({ source: P1, sequence: 1 })]);
    await until('both are settled', () => one.waiting === 0);
    expect(one.removed).to.deep.equal([{ sequence: 1, code: 'BH-E-SPOOF' }]);
    await until('the other is up', () => parent.received.some(({ header }) => header.source === P1));
    expect(parent.received.some(({ header }) => header.source === P2)).to.equal(false);
  });

  it('T-A20: whoever a component says it is, it reads and acknowledges the mailbox of its certificate', async () => {
    const secret = message({
      class: 'command',
      subclass: 'ping',
      content: jsonData({}),
      destination: { kind: 'component', id: P1 },
    });
    await parent.send(secret);
    await until('it waits for its owner', async () => (await poll(P1, P1, '0:0')).body.includes(secret.header.id));
    const { mailbox } = await poll(P1, P1, '0:0');
    for (const thief of [P2, P3]) {
      expect((await poll(thief, P1, '0:0')).body).not.to.include(secret.header.id);
      const stolen = await poll(thief, P1, mailbox);
      expect(stolen.status).to.equal(409);
      expect(stolen.body).to.include('BH-E-ACK');
    }
    expect((await poll(P1, P1, '0:0')).body).to.include(secret.header.id);
  });

  it('T-A15: a revoked child is refused at its next request, and gets nothing more', async () => {
    const [one, two] = [await child(P1), await child(P2)];
    await parent.send(ping());
    await until('both have it', () => one.received.length === 1 && two.received.length === 1);
    const components = [component(P1), component(P2, { state: 'revoked' }), component(P3)];
    await parent.send(tell(membership(2, { components })), ping());
    await until('the other has the second', () => one.received.length === 2);
    const refused = await poll(P2, P2, '0:0');
    expect(refused.status).to.equal(403);
    expect(refused.body).to.include('BH-E-ID-REVOKED');
    expect(two.received).to.have.length(1);
  });

  it('an artifact is fetched once for three children, one of them cut in the middle; then it is un-published', async () => {
    const sha256 = parent.publish(folder.path, SIZE);
    for (const id of PROXIES) await child(id);
    const offer = message({
      class: 'software',
      subclass: 'offer',
      destination: { kind: 'group', name: GROUP },
      content: {
        type: 'bulkDataRequest',
        ...{ sha256, size: SIZE, class: 'software', subclass: 'offer', name: 'demo', artifactVersion: '1.0.0' },
        location: `/v1/artifacts/${sha256}`,
        data: jsonElement({ manifest: '{}', signature: 'x', publicKey: 'y' }),
      },
    });
    await parent.send(offer);
    await until('it is offered to all', () => PROXIES.every((id) => children.get(id)?.received.length === 1), 20_000);
    const target = (id: string) => join(folder.path, id);
    const cut = new AbortController();
    const slow = {
      signal: cut.signal,
      maxBytesPerSecond: 2 * 1024 * 1024,
      onProgress: (bytes: number) => bytes > SIZE / 3 && cut.abort(),
    };
    const killed = children
      .get(P2)
      ?.uplink.fetchArtifact(sha256, SIZE, target(P2), slow)
      .catch((error) => error);
    await Promise.all([P1, P3].map((id) => children.get(id)?.uplink.fetchArtifact(sha256, SIZE, target(id))));
    for (const id of [P1, P3]) await children.get(id)?.submit([fetched(id, offer.header.id, sha256)]);
    await killed;
    await children.get(P2)?.stop();
    expect(existsSync(target(P2))).to.equal(false);
    const again = await child(P2);
    await again.uplink.fetchArtifact(sha256, SIZE, target(P2));
    await again.submit([fetched(P2, offer.header.id, sha256)]);
    for (const id of PROXIES)
      expect(
        createHash('sha256')
          .update(readFileSync(target(id)))
          .digest('hex'),
      ).to.equal(sha256);
    expect(parent.served.filter((one) => one.sha256 === sha256)).to.deep.equal([{ sha256, bytes: SIZE }]);
    const report = () =>
      parent.received.find(({ header }) => header.class === 'infrastructure' && header.subclass === 'transfer');
    await until('the transfer is reported', () => report() !== undefined);
    const cost = jsonOf((readContent(report()?.body ?? new Uint8Array()) as EventContent).data) as {
      wanBytes: number;
      fetches: number;
      lanBytes: number;
    };
    expect(cost).to.include({ sha256, wanBytes: SIZE, fetches: 1 });
    expect(cost.lanBytes).to.be.within(3 * SIZE, 4 * SIZE);
    await until('it is un-published', () => !existsSync(join(mlm.data, 'artifacts', sha256)));
  });

  const fetched = (source: string, push: string, artifact: string) =>
    message({
      source,
      class: 'software',
      subclass: 'install',
      content: {
        type: 'event',
        ...{ eventId: 'install', severity: 'info', instance: source, occurredAt: 1, text: 'fetched' },
        data: jsonElement({ push, artifact, name: 'demo', version: '1.0.0', state: 'fetched' }),
      },
    });

  it('health, readiness and figures are told on the admin listener', async () => {
    const one = await child(P1);
    await one.submit(messages(3));
    await until('they are up', () => parent.received.filter(({ header }) => header.source === P1).length === 3);
    const ready = await (await fetch(`${mlm.admin}/readyz?verbose`)).json();
    expect(ready).to.have.nested.property('checks.parent.ok', true);
    expect(ready).to.have.nested.property('checks.store.ok', true);
    const metrics = await (await fetch(`${mlm.admin}/metrics`)).text();
    expect(metrics).to.match(/backhaul_mlm_messages_received_total 3\n/);
    expect(metrics).to.match(/backhaul_mlm_messages_outcome_total\{outcome="forwarded"\} 3\n/);
    expect(metrics).to.match(/backhaul_mlm_spool_messages \d/);
  });
});
